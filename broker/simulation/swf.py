"""Workloads from logs in the Standard Workload Format, version 2.2 (Feitelson; 18 columns a job,
comments and headers begin with a semicolon, -1 stands for what is not known).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite

from broker.shares import DEFAULT
from broker.simulation.workload import SimTask, Workload, fitted
from broker.simulation.world import World
from culm.core.errors import FieldFault, InvalidRequest

_N_COLUMNS = 18
_SUBMIT, _RUN, _PROCESSORS, _ASKED_PROCESSORS, _ASKED_SECONDS, _USER, _GROUP = 1, 3, 4, 7, 8, 11, 12
_MAX_FAULTS = 20


@dataclass(frozen=True, slots=True)
class Log:
    """A log as a workload, its headers (`MaxProcs: 128`), and in words what was left out."""

    workload: Workload
    headers: dict[str, str]
    notes: tuple[str, ...]


def read_swf(lines: Iterable[str], world: World, n_jobs: int | None = None) -> Log:
    """The first jobs of a log. Times begin with the first submission. Jobs whose run time or
    width is not known or zero (cancelled before they ran) are left out, as are those wider than
    the largest queue. A share named as the job's group (`group7`) takes it, else the default one.

    Raises:
        InvalidRequest: a line is not of the format; each of the first twenty is named.
    """
    headers: dict[str, str] = {}
    faults: list[FieldFault] = []
    rows: list[tuple[int, list[float]]] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if text.startswith(";"):
            name, colon, value = text.lstrip("; ").partition(":")
            if colon:
                headers.setdefault(name.strip(), value.strip())
        elif text:
            row = _row(number, text, faults)
            if row is not None:
                rows.append((number, row))
        if len(faults) >= _MAX_FAULTS or (n_jobs is not None and len(rows) >= n_jobs):
            break
    if faults:
        raise InvalidRequest("the log is not in the Standard Workload Format", faults=faults)
    largest = max(queue.slots for queue in world.queues)
    tasks = list(_tasks(rows, {share.name for share in world.tree()}, largest))
    left_out = len(rows) - len(tasks)
    notes = (f"{left_out} of {len(rows)} jobs left out: they did not run, or are wider than "
             f"{largest} slots",) if left_out else ()  # fmt: skip
    return Log(fitted(tasks, world), headers, notes)


def _row(number: int, text: str, faults: list[FieldFault]) -> list[float] | None:
    words = text.split()
    if len(words) != _N_COLUMNS:
        faults.append(FieldFault(f"line {number}", f"{len(words)} columns", "18 columns"))
        return None
    try:
        row = [float(word) for word in words]
    except ValueError as error:
        faults.append(FieldFault(f"line {number}", str(error), "numbers"))
        return None
    if not all(isfinite(value) for value in row):
        faults.append(FieldFault(f"line {number}", "infinite or not a number", "numbers"))
        return None
    return row


def _tasks(
    rows: list[tuple[int, list[float]]], shares: set[str], largest: int
) -> Iterator[SimTask]:
    begin = min((row[_SUBMIT] for _, row in rows), default=0.0)
    for number, row in rows:
        slots = int(row[_PROCESSORS] if row[_PROCESSORS] > 0 else row[_ASKED_PROCESSORS])
        if row[_RUN] <= 0 or not 0 < slots <= largest:
            continue
        group = f"group{row[_GROUP]:.0f}"
        yield SimTask(
            name=f"line {number}",
            user=f"user{row[_USER]:.0f}",
            share=group if group in shares else DEFAULT,
            submitted_seconds=row[_SUBMIT] - begin,
            work_seconds=(row[_RUN],),
            expected_seconds=row[_ASKED_SECONDS] if row[_ASKED_SECONDS] > 0 else None,
            slots=slots,
        )
