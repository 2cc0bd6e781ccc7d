"""Hyperparameter searches: how many points next, which ones, and how jobs evaluate them. Pure."""
