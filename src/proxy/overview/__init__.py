"""What a gateway tells about itself, made for the admin pages when somebody asks."""
