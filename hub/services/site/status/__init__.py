"""What the hub says of itself: problems, figures, metrics."""
