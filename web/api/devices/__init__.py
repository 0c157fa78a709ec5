"""Devices: enrolled and pending ones, commands to them, and their frame traces."""
