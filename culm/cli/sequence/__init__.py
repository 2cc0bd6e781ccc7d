"""`culm sequence`: steps in shell, and their order in Python, as PanDA's psequencer runs them."""
