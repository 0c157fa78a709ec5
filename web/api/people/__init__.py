"""The site's people, and the groups of cameras."""
