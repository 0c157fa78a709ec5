"""Calls about alarms, their rules and watch lists (D11)."""
