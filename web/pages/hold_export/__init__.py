"""Records as one file that others can read and check, for the pages, the API and the command."""
