"""Records: lists, the stream, and pictures."""
