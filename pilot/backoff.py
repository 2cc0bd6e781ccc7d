"""Waiting longer after each failure, so that a server that comes back is not run over."""

from __future__ import annotations

import random
from collections.abc import Callable

Chance = Callable[[], float]
"""Gives numbers from 0 to 1."""


class Backoff:
    """Doubles from `first` to `most` seconds, each with up to a quarter less by chance."""

    def __init__(
        self, first: float = 0.2, most: float = 30.0, chance: Chance = random.random
    ) -> None:
        self._first, self._most, self._chance = first, most, chance
        self._n_failures = 0

    def failed(self) -> float:
        """The seconds to wait after one more failure."""
        seconds = min(self._most, self._first * 2.0 ** min(self._n_failures, 20))
        self._n_failures += 1
        return seconds * (1 - self._chance() / 4)

    def succeeded(self) -> None:
        """Start from the beginning at the next failure."""
        self._n_failures = 0
