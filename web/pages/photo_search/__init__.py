"""Search the captures of all cameras by a photo (1.16)."""
