"""Held evidence as one file that others can read and check."""
