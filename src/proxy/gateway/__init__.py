"""One gateway, put together: `app` makes it of what stands beside it here, and nothing else knows all the stops."""
