"""Datasets and where their files are."""
