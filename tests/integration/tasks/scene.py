"""Verbs that several tests of the stages share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event, text

from culm.wire.job_spec import JobSpec
from culm.wire.views import CommandRequest
from tasks.audit import audit
from tasks.stages.command import command
from tasks.stages.service import beat
from tasks.stages.watchdogs import lost_jobs
from tasks.store.books import Books
from tests.builders import a_pilot, a_report, get_work, report, run_stages

PAST = "2020-01-01 00:00:00.000000"


def sql(books: Books, statement: str, **values: Any) -> int:
    """Run one statement, for damage and for clocks; gives how many rows it touched."""
    with books.write() as session:
        return int(session.connection().execute(text(statement), values).rowcount)


def rows(books: Books, statement: str, **values: Any) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with books.read() as session:
        return [tuple(row) for row in session.connection().execute(text(statement), values)]


def value(books: Books, statement: str, **values: Any) -> Any:
    """The one value of a query."""
    return rows(books, statement, **values)[0][0]


@contextmanager
def listening(books: Books, what: str, hear: Callable[..., Any]) -> Iterator[None]:
    """Hear of an event of SQLAlchemy's for a while."""
    event.listen(books.engine, what, hear)
    try:
        yield
    finally:
        event.remove(books.engine, what, hear)


def end_pauses(books: Books) -> None:
    """Let so much time pass that no input pauses any more."""
    sql(books, "UPDATE job SET created_at = :past", past=PAST)
    sql(books, "UPDATE task SET next_look_at = NULL")


def expire_leases(books: Books) -> str:
    """Let the leases of all jobs run out while a server answers, and the watchdog look."""
    with books.write() as session:
        beat(session, "test")
    sql(books, "UPDATE schedule_run SET started_at = :past WHERE name = 'server'", past=PAST)
    sql(books, "UPDATE job SET lease_expires_at = :past WHERE lease_expires_at IS NOT NULL",
        past=PAST)  # fmt: skip
    return lost_jobs(books)


def tell(books: Books, task_id: int, name: str, soft: bool = False) -> None:
    """Give a command and let its stage take it up."""
    command(books, task_id, CommandRequest(command=name, soft=soft), "alice")
    run_stages(books, "command")


def run_jobs(books: Books, pilot: int, state: str = "finished", **changes: Any) -> list[JobSpec]:
    """Get all the work there is, and report its end; gives the jobs."""
    jobs = list(get_work(books, pilot).jobs)
    if jobs:
        report(books, pilot, *(a_report(job, state, **changes) for job in jobs))
    run_stages(books)
    return jobs


def run_to_the_end(books: Books, pilot: int | None = None) -> None:
    """Stages and successful jobs until nothing is left to run."""
    pilot = pilot or a_pilot(books)
    run_stages(books)
    while run_jobs(books, pilot):
        pass


def status(books: Books, task_id: int) -> str:
    """A task's status."""
    return str(value(books, "SELECT status FROM task WHERE id = :id", id=task_id))


def adds_up(books: Books) -> bool:
    """Whether the audit finds nothing (for the middle of a test)."""
    with books.read() as session:
        assert audit(session) == []
    return True
