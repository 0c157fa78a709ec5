"""What a search found, as CSV and as a page to print, and the records that both are made from."""
