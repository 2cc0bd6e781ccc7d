"""Builders make the scene of a test: say only what matters, the rest is ordinary."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from culm.wire.codec import decode
from culm.wire.job_spec import PilotSpec, WorkAnswer, WorkRequest
from culm.wire.reports import JobReport, OutputFile, ReportAnswer, ReportState
from culm.wire.task_spec import TaskSpec
from tasks.catalog.own import NewEntry, add_dataset, add_files
from tasks.stages import STAGES
from tasks.stages.dispatch import dispatch, sign_on
from tasks.stages.reports import take_reports
from tasks.stages.submit import submit
from tasks.store.books import Books
from tasks.tables import Sandbox, Task

_numbers = iter(range(1, 1_000_000))


def a_spec(**changes: Any) -> TaskSpec:
    """A task specification: `true`, without input, one job."""
    return decode(TaskSpec, {"name": f"user.alice.t{next(_numbers)}", "command": "true"} | changes)


def a_dataset(books: Books, n_files: int, name: str = "", **changes: Any) -> str:
    """A dataset of alice's with so many files of 1,000 bytes; gives its name."""
    name = name or f"user.alice.data{next(_numbers)}"
    values = {"size_bytes": 1000, "adler32": "00000001", "n_events": None} | changes
    entries = [
        NewEntry(lfn=f"f{i:06d}.dat", path=f"file:///nowhere/{name}/f{i:06d}.dat", **values)
        for i in range(n_files)
    ]
    with books.write() as session:
        add_files(session, add_dataset(session, name, "alice").id, entries)
    return name


def a_sandbox(books: Books) -> str:
    """A sandbox in the books; gives its digest."""
    digest = f"{next(_numbers):064x}"
    with books.write() as session:
        session.add(Sandbox(digest=digest, size_bytes=10, owner="alice"))
    return digest


def a_task(books: Books, user: str = "alice", key: str = "", **changes: Any) -> int:
    """A submitted task; gives its id."""
    return submit(books, a_spec(**changes), user, key or f"key{next(_numbers)}").task_id


def a_pilot(books: Books, **changes: Any) -> int:
    """A pilot that signed on at LOCAL; gives its id."""
    values = {"queue": "LOCAL", "host": "node1", "process_id": 1, "version": "test"} | changes
    with books.write() as session:
        return sign_on(session, PilotSpec(**values))[0]


def run_stages(books: Books, *names: str, owner: str = "test") -> list[str]:
    """Run stages (all, if none is named) until nothing is ready; gives what they said."""
    said: list[str] = []
    chosen, n_quiet = names or tuple(STAGES), 0
    for name in cycle(chosen):
        claims = STAGES[name].claim(books, owner, 10)
        for claim in claims:
            said.append(f"{name}: {STAGES[name].work(books, claim, owner).message}")
        n_quiet = 0 if claims else n_quiet + 1
        assert len(said) < 10_000, said[-20:]
        if n_quiet == len(chosen):
            break
    return said


def get_work(books: Books, pilot_id: int, **changes: Any) -> WorkAnswer:
    """One request for work."""
    values = {"request_key": f"r{next(_numbers)}", "n_jobs": 1000, "core_count": 64,
              "memory_mb": 10**6, "disk_mb": 10**6} | changes  # fmt: skip
    with books.write() as session:
        return dispatch(session, [(pilot_id, WorkRequest(**values))])[0]


def report(books: Books, pilot_id: int, *reports: JobReport) -> list[ReportAnswer]:
    """Send reports in one batch."""
    with books.write() as session:
        return take_reports(session, [(pilot_id, r) for r in reports])


def a_report(job: Any, state: str = "finished", nr: int = 1, **changes: Any) -> JobReport:
    """A report about a job spec; a finished one has all outputs."""
    outputs = tuple(
        OutputFile(lfn=out.lfn, size_bytes=10, adler32="0000000a") for out in job.outputs
    )
    values: dict[str, Any] = {
        "job_id": job.job_id, "attempt_nr": job.attempt_nr, "report_nr": nr,
        "state": ReportState(state), "outputs": outputs if state == "finished" else (),
    }  # fmt: skip
    return JobReport(**(values | changes))


def task_row(books: Books, task_id: int) -> Task:
    """The task's row."""
    with books.read() as session:
        task = session.get_one(Task, task_id)
        session.expunge(task)
        return task
