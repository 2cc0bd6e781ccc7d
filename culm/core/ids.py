"""Identifiers: where they start, how people write lists of them."""

from __future__ import annotations

import uuid

from culm.core.errors import FieldFault, InvalidRequest

FIRST_TASK_ID = 10_000_001
"""PanDA's client takes smaller numbers for request ids (shared/wire, 1.4a)."""

MAX_IDS = 100_000


def new_key() -> str:
    """A fresh idempotency key."""
    return uuid.uuid4().hex


def parse_ids(text: str) -> list[int]:
    """The numbers that `1,3,5-8` means, in order, each once.

    Raises:
        InvalidRequest: a part is neither a positive number nor a rising range, or the list
            would hold more than 100,000 ids.
    """
    found: dict[int, None] = {}
    for part in (piece.strip() for piece in text.replace(" ", ",").split(",")):
        if not part:
            continue
        low, dash, high = part.partition("-")
        if not low.isdecimal() or (dash and not high.isdecimal()):
            raise _bad(part)
        first, last = int(low), int(high) if dash else int(low)
        if first < 1 or last < first or last - first + len(found) >= MAX_IDS:
            raise _bad(part)
        found.update(dict.fromkeys(range(first, last + 1)))
    if not found:
        raise _bad(text)
    return list(found)


def _bad(part: str) -> InvalidRequest:
    fault = FieldFault("ids", repr(part), "ids look like 10000001, 3,5-8 (at most 100000 at once)")
    return InvalidRequest(f"not a list of ids: {part!r}", faults=[fault])
