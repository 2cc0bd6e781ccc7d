"""The placeholders of a command and what a job puts in their place (documentation, 4.1.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_TOKEN = re.compile(
    r"%(?P<name>RNDM|FIRSTEVENT):(?P<base>\d+)"
    r"|%(?P<plain>MAXEVENTS|SKIPEVENTS|FIRSTEVENT|OUT|IN\d{0,2})(?![A-Za-z0-9_])"
    r"|%(?P<stream>[A-Z][A-Z0-9_]{0,30})(?![A-Za-z0-9_])"
)


@dataclass(frozen=True, slots=True)
class JobValues:
    """What one job puts in place of placeholders.

    `files` maps a stream (`IN`, `IN2`, `NOISE`) to the local names of its files; `sequence_nr`
    counts a task's jobs from 0 and is kept by retries; `first_event` counts from 0.
    """

    files: Mapping[str, tuple[str, ...]]
    outputs: tuple[str, ...]
    sequence_nr: int
    max_events: int
    skip_events: int
    first_event: int


def fill(command: str, values: JobValues) -> str:
    """The command with every placeholder replaced, in one pass (values are not looked at again).

    `%IN` becomes the stream's files joined by commas, as the name of any other stream of the job
    does, `%OUT` the outputs' local names,
    `%RNDM:base` base + sequence number, `%MAXEVENTS` the events of this job (-1 if not split by
    events), `%SKIPEVENTS` the events to skip in its file, `%FIRSTEVENT:base` base + the number
    of its first event in the task.
    """
    return _TOKEN.sub(lambda match: _value(match, values), command)


def _value(match: re.Match[str], values: JobValues) -> str:
    stream = match["stream"]
    # A word that is no stream of the job, as in `date +%Y`, is the command's own.
    if stream and stream not in values.files:
        return match[0]
    return ",".join(values.files[stream]) if stream else _standard(match, values)


def _standard(match: re.Match[str], values: JobValues) -> str:
    base = int(match["base"] or 0)
    name = match["name"] or match["plain"]
    if name == "RNDM":
        return str(base + values.sequence_nr)
    if name == "FIRSTEVENT":
        return str(base + values.first_event)
    if name == "MAXEVENTS":
        return str(values.max_events)
    if name == "SKIPEVENTS":
        return str(values.skip_events)
    if name == "OUT":
        return ",".join(values.outputs)
    return ",".join(values.files.get(name, ()))


def placeholders(command: str) -> Iterator[str]:
    """Every placeholder in a command, as written without its base: `%IN`, `%RNDM`, …"""
    found = (match["name"] or match["plain"] for match in _TOKEN.finditer(command))
    return (f"%{name}" for name in found if name)


def streams_used(command: str) -> list[str]:
    """The input streams that a command names, in order, each once."""
    found = (name[1:] for name in placeholders(command) if name.startswith("%IN"))
    return list(dict.fromkeys(found))
