"""Files of a search that the user writes: search space, segments, options; faults by line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.wire.search import MAX_SEGMENTS, Segment
from culm.wire.search_space import entry_faults, space_faults

MAX_FAULTS = 50
"""After so many faults of a file no more are looked for: each line is found by a search of it."""

Reader = Callable[[str], str]
"""Gives the text of the file that an option names, or raises OSError or UnicodeDecodeError."""


def on_disk(path: str) -> str:
    """The text of a file of this machine: for the user's own side, never for a server."""
    return Path(path).read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON file of the user's, with its text, so that faults can name lines."""

    flag: str
    name: str
    text: str
    value: Any

    def at(self, *keys: str, start: int = 0) -> str:
        """The file with the line where these keys stand, one inside the other."""
        line = self.text.count("\n", 0, self.place(*keys, start=start)) + 1
        return f"{self.flag} {self.name}:{line}"

    def place(self, *keys: str, start: int = 0) -> int:
        """Where the last of these keys stands in the text; as far as they are found."""
        for key in keys:
            found = re.compile(re.escape(json.dumps(key)) + r"\s*:").search(self.text, start)
            if found is None:
                break
            start = found.start()
        return start


def read_document(flag: str, path: str, read: Reader) -> Document:
    """A JSON file that an option names.

    Raises:
        InvalidRequest: it cannot be read, or is no JSON; then the line is named.
    """
    try:
        text = read(path)
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "is no text in UTF-8"
        raise wrong([FieldFault(flag, path, str(words))]) from error
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"{flag} {path}:{error.lineno}"
        shown = text.splitlines()[error.lineno - 1 :][:1]
        fault = FieldFault(where, repr(shown[0][:80] if shown else ""), f"no JSON: {error.msg}")
        raise wrong([fault]) from error
    except (ValueError, RecursionError) as error:
        raise wrong([FieldFault(f"{flag} {path}", str(error), "no JSON")]) from error
    return Document(flag, path, text, value)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def wrong(faults: list[FieldFault]) -> InvalidRequest:
    """The error of a search that cannot be submitted."""
    return InvalidRequest(
        "the search cannot be submitted like this", faults=faults, hint="culm hpo --help"
    )


def spaces(document: Document, n_segments: int) -> list[dict[str, Any]]:
    """The search space of each segment: one for all, or a list with one for each.

    Raises:
        InvalidRequest: with each fault by file and line.
    """
    found = document.value
    if isinstance(found, list) and n_segments:
        if len(found) == 1:
            found = found * n_segments
        if len(found) != n_segments:
            needed = f"one for all, or one for each of {n_segments} segments"
            raise wrong([FieldFault(document.at(), f"{len(document.value)} spaces", needed)])
        each = found
    else:
        each = [found]
    faults: list[FieldFault] = []
    start = 0
    for space in each:
        if len(faults) >= MAX_FAULTS:
            break
        if not isinstance(space, dict):
            needed = "an object of hyperparameters is needed"
            faults.append(FieldFault(document.at(start=start), ascii(space)[:80], needed))
            continue
        faults += islice(_space_faults(document, space, start), MAX_FAULTS)
        start = document.place(next(iter(space), ""), start=start) if len(each) > 1 else 0
        start += 1
    if faults:
        raise wrong(faults)
    return each


def _space_faults(document: Document, space: dict[str, Any], start: int) -> Iterator[FieldFault]:
    if not space:
        yield from (FieldFault(document.at(start=start), f.value, f.needed)
                    for f in space_faults(space, ""))  # fmt: skip
    for name, entry in space.items():
        for fault in entry_faults(name, entry):
            inner = fault.field[len(name) + 1 :]
            where = document.at(name, *inner.split("."), start=start)
            yield FieldFault(f"{where}: {fault.field}", fault.value, fault.needed)


_KEYS = ("name", "files", "datasets")


def segments(document: Document) -> list[Segment]:
    """The segments of a file: a list of objects with a name and files or datasets.

    Raises:
        InvalidRequest: with each fault by file and line.
    """
    if not isinstance(document.value, list) or not document.value:
        needed = "a list of objects with name and files is needed"
        raise wrong([FieldFault(document.at(), ascii(document.value)[:80], needed)])
    if len(document.value) > MAX_SEGMENTS:
        shown = f"{len(document.value)} segments"
        raise wrong([FieldFault(document.at(), shown, f"at most {MAX_SEGMENTS}")])
    faults: list[FieldFault] = []
    found = []
    for number, entry in enumerate(document.value):
        before = len(faults)
        faults += islice(_segment_faults(document, number, entry), MAX_FAULTS)
        if len(faults) >= MAX_FAULTS:
            break
        if len(faults) == before:
            found.append(Segment(name=entry["name"], files=tuple(entry.get("files", ())),
                                 datasets=tuple(entry.get("datasets", ()))))  # fmt: skip
    if faults:
        raise wrong(faults)
    return found


def _segment_faults(document: Document, number: int, entry: Any) -> Iterator[FieldFault]:
    if not isinstance(entry, dict):
        needed = "an object with name and files is needed"
        yield FieldFault(f"{document.at()}: segment {number + 1}", ascii(entry)[:80], needed)
        return
    for key in sorted(set(entry) - set(_KEYS)):
        where = f"{document.at(key)}: segment {number + 1}.{key}"
        yield FieldFault(where, ascii(entry[key])[:80], unknown_name(key, _KEYS))
    if not isinstance(entry.get("name"), str):
        shown = ascii(entry.get("name"))[:80]
        yield FieldFault(f"{document.at()}: segment {number + 1}.name", shown, "a name is needed")
    for key in ("files", "datasets"):
        names = entry.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            where = f"{document.at(key)}: segment {number + 1}.{key}"
            yield FieldFault(where, ascii(names)[:80], "a list of names is needed")
