"""What is wrong with task parameters: all of it is said at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from culm.core.errors import FieldFault, InvalidRequest


def fault(field: str, value: Any, needed: str) -> FieldFault:
    """One thing that is wrong, with the value cut to what a line can show."""
    return FieldFault(field, ascii(value)[:120], needed)


def refused(name: str, faults: Sequence[FieldFault]) -> InvalidRequest:
    """The error that says them all."""
    return InvalidRequest(f"task {ascii(name)[1:-1][:200]} cannot be run as asked", faults=faults)
