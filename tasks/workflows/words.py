"""Errors in one line."""

from __future__ import annotations

from culm.core.errors import CulmError


def words_of(error: CulmError) -> str:
    """What is wrong, with every fault, in one line."""
    faults = "; ".join(map(str, error.faults))
    return f"{error.message}: {faults}" if faults else error.message
