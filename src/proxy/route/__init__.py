"""Which service? A path and a method become a route."""
