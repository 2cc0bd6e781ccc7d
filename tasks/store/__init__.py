"""Unit of work and repositories: bulk verbs, compare-and-set moves, leases, wake-ups."""
