"""The books of a trial: a fresh database, one queue that takes everything, and the input."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import text

from culm.client.transfer import Source
from culm.core.ids import new_key
from culm.wire.job_spec import PilotSpec
from culm.wire.task_spec import TaskSpec
from culm.wire.views import FileView
from tasks.catalog.own import NewEntry, add_dataset, add_files
from tasks.stages.dispatch import sign_on
from tasks.stages.submit import submit
from tasks.store import schema
from tasks.store.books import Books
from tasks.store.seed import LOCAL, seed
from tasks.tables import Sandbox

USER = "me"
MOST = 10**9


@dataclass(frozen=True, slots=True)
class Trial:
    """A task in books of its own, and where its files lie."""

    books: Books
    task_id: int
    pilot_id: int
    folder: Path

    @property
    def inputs(self) -> Path:
        """Where input lies that was fetched, a folder for each dataset."""
        return self.folder / "inputs"

    @property
    def outputs(self) -> Path:
        """Where output goes, a folder for each dataset."""
        return self.folder / "outputs"


def local_spec(spec: TaskSpec) -> TaskSpec:
    """The task without what only a grid can give: each job is tried once, here, at once."""
    return replace(
        spec, skip_scouts=True, max_attempts=1, site=None, excluded_sites=(), destination=None,
        nucleus=None, gather=False, t1_weight=0, architecture=None, release=None,
        ip_connectivity=None, parent_task_id=None, direct_access_only=False, vo=None,
        working_group=None, activity=None, processing_type=None, campaign=None, priority=1000,
    )  # fmt: skip


def open_books(folder: Path) -> Books:
    """Fresh books in a folder of its own, with one queue."""
    books = Books(f"sqlite:///{folder}/books.db")
    schema.upgrade(books)
    seed(books, folder / "outputs")
    (folder / "outputs").mkdir()
    with books.write() as session:
        run = session.connection().execute
        run(text("UPDATE queue SET settings = '{\"n_slots\": 1000}'"))
        place = {"url": (folder / "outputs").as_uri(), "directory": str(folder / "outputs")}
        run(text("UPDATE storage_endpoint SET url = :url, directory = :directory"), place)
    return books


def add_local_files(books: Books, dataset: str, sources: Iterable[Source]) -> None:
    """Files of this machine as a dataset: they are read where they are."""
    _add(books, dataset, [
        NewEntry(lfn=s.lfn, size_bytes=s.size_bytes, adler32=s.adler32,
                 path=s.path.resolve().as_uri())
        for s in sources
    ])  # fmt: skip


def add_files_of_server(books: Books, dataset: str, files: Iterable[FileView], at: Path) -> None:
    """Files of a server's dataset, as if they lay below `at`: they are fetched when needed."""
    _add(books, dataset, [
        NewEntry(lfn=f.lfn, size_bytes=f.size_bytes, adler32=f.adler32, n_events=f.n_events,
                 path=(at / dataset / f.lfn).absolute().as_uri())
        for f in files
    ])  # fmt: skip


def begin(books: Books, folder: Path, spec: TaskSpec, sandbox_bytes: int) -> Trial:
    """The task, submitted, and a pilot that has all that jobs can ask for.

    Raises:
        InvalidRequest: as `submit` says.
    """
    if spec.sandbox is not None:
        with books.write() as session:
            session.connection().execute(
                Sandbox.__table__.insert(),  # type: ignore[attr-defined]
                {"digest": spec.sandbox, "size_bytes": sandbox_bytes, "owner": USER},
            )
    accepted = submit(books, spec, USER, new_key())
    with books.write() as session:
        pilot_id, _ = sign_on(session, PilotSpec(
            queue=LOCAL, host="here", process_id=1, version="local", core_count=100_000,
            memory_mb=MOST, disk_mb=MOST,
        ))  # fmt: skip
    return Trial(books, accepted.task_id, pilot_id, folder)


def _add(books: Books, dataset: str, entries: list[NewEntry]) -> None:
    with books.write() as session:
        add_files(session, add_dataset(session, dataset, USER).id, entries)
