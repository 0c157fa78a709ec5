"""Calls about held evidence and about erasing a person."""
