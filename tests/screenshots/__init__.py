"""Makes pictures of the pages: `python -m tests.screenshots FOLDER`."""
