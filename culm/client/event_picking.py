"""Which input files hold the events that a user picked.

There is no event index here. Built in are two ways: a line of the list names the file itself, or
the run's datasets are found by their names, where the run number, the stream and the data type
stand (`data10_7TeV.00154514.physics_CosmicCaloEM.recon.AOD.r733`). An experiment's own index joins
through the entry-point group `culm.event_lookups`: the name is what `--eventPickLookup` says, the
object a `Lookup`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from culm.client.pathena_options import Pathena
from culm.client.prun import listed
from culm.client.search_files import Reader
from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.core.plugins import load_plugin, plugins

GROUP = "culm.event_lookups"
FLAG = "--eventPickEvtList"
MOST_EVENTS = 1_000_000
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Event:
    """An event by its numbers; `file` is the name of the file that holds it, if that is known."""

    run: int
    number: int
    file: str = ""

    def __str__(self) -> str:
        return f"{self.run} {self.number}"


@dataclass(frozen=True, slots=True)
class Picked:
    """Where events are: datasets, and the files in them (none: all of their files)."""

    datasets: tuple[str, ...]
    files: tuple[str, ...] = ()


Datasets = Callable[[str], Iterable[str]]
"""The names of the datasets that a shell pattern matches."""
Lookup = Callable[[Sequence[Event], Pathena, Datasets], Picked]
"""Finds where the events of a list are; raises InvalidRequest for those that it does not find."""


def picked(options: Pathena, read: Reader, datasets: Datasets) -> Picked | None:
    """Where the events are that the options pick; None if they pick none.

    Raises:
        InvalidRequest: the list cannot be read, or nothing is known of an event.
    """
    if options.event_pick_evt_list is None:
        return None
    events = events_of(options.event_pick_evt_list, read)
    return _lookup(options.event_pick_lookup)(events, options, datasets)


def events_of(path: str, read: Reader) -> list[Event]:
    """The events of a list.

    Raises:
        InvalidRequest: it cannot be read, or a line is no event; its number is named.
    """
    try:
        lines = read(path).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "is no text in UTF-8"
        raise wrong(FieldFault(FLAG, path, str(words))) from error
    found = [_event(path, number, line.split()) for number, line in enumerate(lines, 1)
             if line.strip() and not line.lstrip().startswith("#")]  # fmt: skip
    if not 0 < len(found) <= MOST_EVENTS:
        raise wrong(FieldFault(FLAG, f"{len(found)} events", f"from 1 to {MOST_EVENTS}"))
    return found


def _event(path: str, number: int, words: list[str]) -> Event:
    if len(words) not in (2, 3) or not all(w.isascii() and w.isdecimal() for w in words[:2]):
        needed = "a run and an event number are needed, and may be a file's name"
        raise wrong(FieldFault(f"{FLAG} {path}:{number}", ascii(" ".join(words))[:80], needed))
    return Event(int(words[0]), int(words[1]), words[2] if len(words) == 3 else "")


def _lookup(name: str | None) -> Lookup:
    if name is None:
        return by_names
    known = plugins(GROUP)
    if name not in known:
        raise wrong(FieldFault("--eventPickLookup", name, unknown_name(name, known)))
    found: Lookup = load_plugin(GROUP, name)
    return found


def by_names(events: Sequence[Event], options: Pathena, datasets: Datasets) -> Picked:
    """By the files that the list names, in the input that is given; else by names of datasets.

    Raises:
        InvalidRequest: some events bear a file's name and others do not, or a run has no dataset.
    """
    files = tuple(dict.fromkeys(event.file for event in events if event.file))
    given = listed(options.in_ds)
    if files:
        _check_all_named(events, given)
        return Picked(given, files)
    runs = sorted({event.run for event in events})
    names = {run: list(_datasets_of(run, options, datasets)) for run in runs}
    missing = [run for run in runs if not names[run]]
    if missing:
        raise _not_found(missing, options)
    return Picked(tuple(dict.fromkeys(name for run in runs for name in names[run])))


def _check_all_named(events: Sequence[Event], given: tuple[str, ...]) -> None:
    bare = [event for event in events if not event.file]
    if bare:
        shown = ", ".join(map(str, bare[:SHOWN]))
        raise wrong(FieldFault(FLAG, shown, "bears no file's name, as others do: give all or none"))
    if not given:
        raise wrong(FieldFault("--inDS", "missing", "say where the files of the list are"))


def _datasets_of(run: int, options: Pathena, datasets: Datasets) -> Iterator[str]:
    kept = listed(options.event_pick_ds)
    wanted = (options.event_pick_stream_name, options.event_pick_data_type)
    for name in datasets(f"*.{run:08d}.*"):
        parts = name.split(".")
        tagged = options.event_pick_ami_tag is None or options.event_pick_ami_tag in (
            tag for part in parts for tag in part.split("_")
        )
        chosen = not kept or any(fnmatchcase(name, pattern) for pattern in kept)
        if tagged and chosen and all(word is None or word in parts for word in wanted):
            yield name


def _not_found(runs: Sequence[int], options: Pathena) -> InvalidRequest:
    shown = ", ".join(map(str, runs[:SHOWN])) + (", …" if len(runs) > SHOWN else "")
    kinds = (options.event_pick_stream_name, options.event_pick_data_type,
             options.event_pick_ami_tag, options.event_pick_ds)  # fmt: skip
    what = " ".join(filter(None, kinds))
    fault = FieldFault(
        FLAG, f"run {shown}", f"no dataset bears its number{what and ' with '}{what}"
    )
    hint = "give the file's name in a third column with --inDS, or an index by --eventPickLookup"
    return InvalidRequest("the files of these events are not known", faults=[fault], hint=hint)


def wrong(fault: FieldFault) -> InvalidRequest:
    """The error of an Athena task that cannot be submitted."""
    return InvalidRequest(
        "the task cannot be submitted like this", faults=[fault], hint="culm pathena --help"
    )
