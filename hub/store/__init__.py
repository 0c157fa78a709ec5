"""The store: one SQLite database and one pack file of pictures a day. SQL lives here alone."""
