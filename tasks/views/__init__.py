"""The reading side: rows of the books as the messages of `culm.wire.views`."""
