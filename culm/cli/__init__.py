"""The command `culm`: thin shells over culm.client, imported only when they are called."""
