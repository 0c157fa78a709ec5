"""Doors and relays that are switched through the camera's own HTTP (D12)."""
