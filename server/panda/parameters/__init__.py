"""Task parameters as PanDA's client writes them, turned into our own specifications. Pure."""
