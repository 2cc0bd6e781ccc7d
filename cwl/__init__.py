"""CWL documents → a plan of steps, and the rules by which such a plan runs. No database."""
