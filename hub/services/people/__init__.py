"""The site's people (D10): the register, their photos, and groups of cameras."""
