"""The ground: ids, clock, units, errors, settings, plugins. Imports nothing else of ours."""
