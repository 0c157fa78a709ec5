"""The site's people (D10): the register, and groups of cameras."""
