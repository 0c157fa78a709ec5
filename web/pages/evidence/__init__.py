"""Evidence: records that are kept beyond their day."""
