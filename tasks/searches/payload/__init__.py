"""What runs on the worker node for a search: one script, standard library only."""
