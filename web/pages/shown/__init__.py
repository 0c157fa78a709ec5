"""What several pages show: cards, rows, labels, and links between pages."""
