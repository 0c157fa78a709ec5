"""The site area for administrators: the hub itself, and who and what may use it."""
