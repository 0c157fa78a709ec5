"""The hub's certificates: the site's own authority, or what an administrator gives."""
