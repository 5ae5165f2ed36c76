"""How a request leaves: over framed connections that services opened."""
