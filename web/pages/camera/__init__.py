"""The pages of one camera."""
