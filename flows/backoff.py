"""How long to leave alone what failed: longer each time, so that a poisoned row stops no loop."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Failures in a row by key. The wait doubles from `first_seconds` to `longest_seconds`."""

    first_seconds: float = 2.0
    longest_seconds: float = 900.0
    _failures: dict[object, int] = field(default_factory=dict)

    def failed(self, key: object) -> float:
        """Seconds to leave the key alone, after one more failure."""
        n = self._failures[key] = self._failures.get(key, 0) + 1
        # The exponent is bounded: 2.0 ** 1100 is an error.
        return min(self.first_seconds * 2.0 ** min(n - 1, 60), self.longest_seconds)

    def succeeded(self, key: object) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    def count(self, key: object) -> int:
        """How often in a row the key has failed."""
        return self._failures.get(key, 0)
