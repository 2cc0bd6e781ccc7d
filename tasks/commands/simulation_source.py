"""Where the world and the work of a simulation come from: files, a seed, a log or our books."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from culm.core.errors import FieldFault, InvalidRequest

if TYPE_CHECKING:
    from broker.simulation.past import Past
    from broker.simulation.workload import Workload
    from broker.simulation.world import World

BOOKS = "books"
"""The word that stands for our own queues, in the place of a file of a world."""
N_QUEUES, N_JOBS, LOAD = 30, 20_000, 0.95
_MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the user asked for; None: it was not given."""

    world: str | None
    workload: Path | None
    swf: Path | None
    days: float | None
    anonymous: bool
    seed: int
    n_queues: int | None
    n_jobs: int | None
    load: float | None
    view_seconds: float | None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be simulated, and words on what was left out of it."""

    world: World
    work: Workload
    notes: tuple[str, ...]


def read(source: Source) -> Subject:
    """The world and the work that are asked for. The books are only read.

    Raises:
        InvalidRequest: options do not go together, or what is read cannot be simulated.
        Misconfigured: there is no database, or it has another schema.
        Busy: the database did not answer.
    """
    from broker.simulation.changes import changed

    _check(source)
    chance = Random(source.seed)  # noqa: S311 - simulated chance, no secret
    books = _read_books(source)
    world = books.world or _world(source, chance)
    if source.view_seconds is not None:
        world = changed(world, [f"world.view_seconds={source.view_seconds}"])
    work, notes = _work(source, chance, world, books)
    return Subject(world, work, (*books.notes, *notes))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Books:
    """What came from our books; None: it was not asked for."""

    world: World | None = None
    past: Past | None = None
    notes: tuple[str, ...] = ()


def _read_books(source: Source) -> _Books:
    takes_world = source.world == BOOKS or (source.world is None and source.days is not None)
    if source.days is None and not takes_world:
        return _Books()
    from culm.core.settings import load_settings
    from tasks.simulated.past import last_days
    from tasks.simulated.present import Seen, present
    from tasks.store import schema
    from tasks.store.books import Books

    with Books.existing(load_settings().database_url) as books:
        schema.check(books)
        with books.read() as session:
            past = None if source.days is None else last_days(session, source.days)
            seen = Seen() if past is None else past.seen
            now = present(session, seen) if takes_world else None
    return _Books(
        world=now.world if now else None,
        past=past.past if past else None,
        notes=(*(past.notes if past else ()), *(now.notes if now else ())),
    )


def _world(source: Source, chance: Random) -> World:
    from broker.simulation.generator import make_world
    from broker.simulation.world import world_of
    from culm.core.documents import read_document

    if source.world is not None:
        return world_of(read_document(source.world))
    return make_world(chance, N_QUEUES if source.n_queues is None else source.n_queues)


def _work(
    source: Source, chance: Random, world: World, books: _Books
) -> tuple[Workload, tuple[str, ...]]:
    from broker.simulation.generator import Sizes, make_workload
    from broker.simulation.past import workload_of_past
    from broker.simulation.swf import read_swf
    from broker.simulation.workload import workload_of
    from culm.core.documents import read_document
    from tasks.commands.documents import read_lines

    n_jobs = N_JOBS if source.n_jobs is None else source.n_jobs
    if books.past is not None:
        found = workload_of_past(books.past, world, anonymous=source.anonymous)
        return found.workload, found.notes
    if source.workload:
        return workload_of(read_document(str(source.workload)), world), ()
    if source.swf:
        log = read_swf(read_lines(source.swf), world, n_jobs)
        return log.workload, log.notes
    sizes = Sizes(n_jobs=n_jobs, load=LOAD if source.load is None else source.load)
    return make_workload(chance, world, sizes), ()


def _check(source: Source) -> None:
    """See that every option that was given means something beside the others."""
    given = [option for option, value in (("--workload", source.workload), ("--swf", source.swf),
             ("--books", source.days)) if value is not None]  # fmt: skip
    if len(given) > 1:
        raise fault(given[0], f"given together with {given[1]}", "one of the two")
    if source.days is not None and not 0 < source.days <= _MOST_DAYS:
        raise fault("--books", f"{source.days:g}", f"days, more than 0 and at most {_MOST_DAYS}")
    if source.anonymous and source.days is None:
        raise fault("--anonymous", "nothing to rename", "--books DAYS")
    is_made = not given
    for option, value, holds in (
        ("--load", source.load, is_made),
        ("--jobs", source.n_jobs, is_made or given == ["--swf"]),
        ("--queues", source.n_queues, source.world is None and given != ["--books"]),
    ):
        if value is not None and not holds:
            raise fault(option, f"{value:g}", "only where it is generated: it would change nothing")


def fault(option: str, found: str, needed: str) -> InvalidRequest:
    """An error about one option."""
    return InvalidRequest("an option does not fit",
                          faults=[FieldFault(option, found, needed)])  # fmt: skip
