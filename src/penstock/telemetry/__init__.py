"""What a process tells about itself: logs here; metrics and traces come beside them."""
