"""cwltool's words made short: file, line and what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from culm.core.errors import FieldFault
from cwl.bundle import ROOT
from cwl.value_types import in_words

_LINE = re.compile(r"^(?P<file>[^\s:]+):(?P<line>\d+):(?P<column>\d+):(?P<rest>.*)$")
_URL = re.compile(r"(?:file://[^\s'\"]*/|(?:\.\./)+|/)?culm-bundle/")
_UUID = re.compile(r"_:[0-9a-f-]{36}")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CONTEXT = ("checking ", "tried ", "Warning:", "* tried", "while checking", "checking object")
_TYPES = re.compile(
    r"Source '(?P<source>[^']*)' of type (?P<given>.*) is incompatible "
    r"with sink '(?P<sink>[^']*)' of type (?P<taken>.*)"
)
_NAME = re.compile(r"'[^']*'$")
"""The rest of a line of context that was too long for one line."""
_TRIED = re.compile(r",? tried .*$")
_CONTINUED = re.compile(r"^(?:with sink|source has linkMerge|tool output|Source is from|but )")
_LONGEST = 400


def faults_of(error: Exception, fallback: str) -> list[FieldFault]:
    """The faults that an error of cwltool tells of; `fallback` is the file that is named if none
    is.
    """
    found: list[tuple[str, str]] = []
    around = ""  # what the words before said that they were looking at
    for place, words in _entries(str(error)):
        if words.startswith(_CONTEXT) or (around and _NAME.match(words)):
            around = place or around
        elif found and (_CONTINUED.match(words) or not (place or around)):
            # Of a link between types that do not fit, the end that takes is the one to mend.
            here = place if words.startswith("with sink") else found[-1][0]
            found[-1] = (here, f"{found[-1][1]} {words}")
        else:
            found.append((place or around or fallback, words))
            around = ""
    if not found:
        found = [(fallback, " ".join(_plain(str(error)).split()) or type(error).__name__)]
    return [_fault(place, words) for place, words in _once(found)]


def _fault(place: str, words: str) -> FieldFault:
    types = _TYPES.match(words)
    if types is None:
        return FieldFault(place, "not taken", _TRIED.sub("", words)[:_LONGEST])
    given, taken = _type(types["given"]), _type(types["taken"])
    return FieldFault(
        f"{place} {types['sink']}", f"{types['source']} is {given}"[:_LONGEST], f"takes {taken}"
    )


def _type(written: str) -> str:
    """A type that cwltool wrote as JSON."""
    try:
        return in_words(json.loads(written))
    except ValueError:
        return written


def _entries(text: str) -> Iterator[tuple[str, str]]:
    """Place and words of each line; a line that only goes on has no place."""
    for line in _plain(text).splitlines():
        match = _LINE.match(line.strip())
        words = (match["rest"] if match else line).strip().lstrip("* ")
        if not words:
            continue
        yield (f"{match['file'].lstrip('./')}:{match['line']}" if match else ""), words


def _plain(text: str) -> str:
    text = _COLOUR.sub("", text).replace(ROOT, "")
    return _UUID.sub("(inline)", _URL.sub("", text))


def _once(entries: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((place, words.strip()) for place, words in entries))
