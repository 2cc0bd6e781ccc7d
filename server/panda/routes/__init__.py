"""The calls of PanDA's wire, by noun."""
