"""The demo: one real analysis, from submission to its picture, on this machine."""
