"""Records: lists, the stream, pictures, holds and erasures."""
