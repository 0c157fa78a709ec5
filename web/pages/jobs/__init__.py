"""Long work that was started: its progress, and for a week its outcome."""
