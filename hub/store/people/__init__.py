"""The site's people: the register, photos, groups of cameras, and what cameras hold of them."""
