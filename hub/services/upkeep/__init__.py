"""What the hub says of itself, and how its store is kept in order."""
