"""The areas of a hub: what is built together, of what it knows, and what of it runs."""
