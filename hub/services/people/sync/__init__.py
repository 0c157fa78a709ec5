"""Keeping the people on each device in step with the register (D10)."""
