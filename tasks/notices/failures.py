"""How sending a notice can fail."""

from __future__ import annotations


class TryAgain(Exception):
    """It did not go now, and may later."""


class GaveUp(Exception):
    """It will never go."""
