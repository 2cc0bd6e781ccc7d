"""Commands that work on the database itself: `culm db` and `culm audit`."""
