"""Workflows: plans that run. Rows become outcomes of the walk over a plan, its starts tasks."""
