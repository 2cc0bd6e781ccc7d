"""Tools of the house: checks, and pages printed from the code."""
