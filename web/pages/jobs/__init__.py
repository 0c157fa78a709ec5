"""Long work that was started: its progress, and for a time its outcome."""
