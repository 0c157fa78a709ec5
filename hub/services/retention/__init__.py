"""Which days of records are kept, which go, and how many fit."""
