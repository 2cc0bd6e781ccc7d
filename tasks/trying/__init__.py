"""A task tried on this machine alone: books of its own, the real stages, one job after another."""
