"""CWL documents → a plan of steps. No database. Holds nothing yet but its place in the house."""
