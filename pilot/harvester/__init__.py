"""The harvester: starts pilots where the server says that they are wanted."""
