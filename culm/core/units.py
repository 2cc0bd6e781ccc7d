"""Sizes and durations as people write them: `2 GB`, `500MB`, `1h30m`, and back."""

from __future__ import annotations

import re

from culm.core.errors import FieldFault, InvalidRequest

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[A-Za-z]*)")
_STEP = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[a-z]*)\s*")

SIZE_UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "PB": 10**15,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
    "K": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
}
"""Bytes in a unit. A megabyte is 1,000,000 bytes, a mebibyte 1,048,576 (IEC 80000-13)."""

TIME_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
"""Seconds in a unit."""


def parse_size(text: str, unit: str = "B") -> int:
    """The bytes that a text like `2 GB` means; a bare number is in `unit`.

    Raises:
        InvalidRequest: it is not a number with a unit that we know.
    """
    match = _SIZE.fullmatch(text.strip())
    factor = SIZE_UNITS.get((match["unit"] or unit).upper()) if match else None
    if match is None or factor is None:
        raise _bad("size", text, "a size looks like 500, 500MB, 2 GB, 1.5TiB")
    return round(float(match["number"]) * factor)


def parse_megabytes(text: str) -> int:
    """The megabytes that a text means; a bare number is in megabytes, part of one counts whole.

    Raises:
        InvalidRequest: it is not a size.
    """
    return -(-parse_size(text, "MB") // SIZE_UNITS["MB"])


def format_size(size_bytes: float) -> str:
    """A size with three digits and a unit: `1.50 GB`."""
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if abs(size_bytes) < 999.5:
            return f"{size_bytes:.0f} B" if unit == "B" else f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:.4g} PB"


def parse_duration(text: str) -> float:
    """The seconds that a text like `90`, `1h30m` or `2 d` means; a bare number is seconds.

    Raises:
        InvalidRequest: a part is not a number with a unit that we know.
    """
    seconds, at, left = 0.0, 0, text.strip()
    while at < len(left):
        match = _STEP.match(left, at)
        factor = TIME_UNITS.get(match["unit"] or "s") if match else None
        if match is None or factor is None:
            break
        seconds, at = seconds + float(match["number"]) * factor, match.end()
    if not left or at < len(left):
        raise _bad("duration", text, "a duration looks like 90, 90s, 15m, 1h30m, 2d")
    return seconds


def format_duration(seconds: float) -> str:
    """A duration with its two largest units: `1h 30m`, `12s`, `3d 4h`."""
    if seconds < 60:
        return f"{seconds:.1f}s" if 0 < seconds < 9.95 else f"{seconds:.0f}s"
    parts: list[str] = []
    left = round(seconds)
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, length)
        if count or parts:
            parts.append(f"{count}{unit}" if count else "")
    return " ".join(part for part in parts[:2] if part)


def _bad(what: str, text: str, needed: str) -> InvalidRequest:
    return InvalidRequest(f"not a {what}: {text!r}", faults=[FieldFault(what, repr(text), needed)])
