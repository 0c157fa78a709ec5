"""What is known of the targets that the record log is forwarded to."""
