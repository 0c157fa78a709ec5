"""Alarms: the new ones on every page and on "Live", the list of all, and one alarm."""
