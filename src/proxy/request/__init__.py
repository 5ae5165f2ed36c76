"""A request on its way, as every stop sees it: what is known of it, what is decided about it, and how it waits."""
