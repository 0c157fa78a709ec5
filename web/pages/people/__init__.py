"""The site's people: the register, the photo of a form, import and export."""
