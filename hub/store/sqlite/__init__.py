"""SQLite as the store uses it: connections, single statements, migrations, the write-ahead log."""
