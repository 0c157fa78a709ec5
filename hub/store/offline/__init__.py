"""A data directory whose store is not open here: its inspection, and copies of its database."""
