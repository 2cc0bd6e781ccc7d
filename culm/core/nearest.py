"""Suggestions for names that are not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str:
    """The known name closest to `word`, or an empty string if none is close."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return found[0] if found else ""


def unknown_name(word: str, known: Iterable[str]) -> str:
    """Words for a name that is not known: the nearest one, else all of them."""
    names = sorted(known)
    if not names:
        return "unknown; there are none"
    near = nearest(word, names)
    return f"unknown; did you mean {near}?" if near else f"unknown; known are {', '.join(names)}"
