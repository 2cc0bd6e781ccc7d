"""Workflows for tests of the stage: planned in this process, run without pilots of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from culm.wire.job_spec import JobSpec
from culm.wire.workflow_runs import WorkflowSubmission
from culm.wire.workflows import WorkflowBundle
from cwl.bundle import Bundle
from cwl.service import found_in
from cwl.tool_jobs import PROGRAM
from cwl.worker import look_at
from tasks.stages.workflow_submit import Planned, submit_workflow
from tasks.store.books import Books
from tests.builders import a_pilot, a_report, get_work, report, run_stages
from tests.integration.tasks.scene import rows, value

_numbers = iter(range(1, 1_000_000))


HEAD = "cwlVersion: v1.2\nclass: Workflow\ninputs: []\noutputs: []\nsteps:\n"


def prun(name: str, takes: str = "", more: str = "", run: str = "prun", out: str = "outDS") -> str:
    """A step: it writes a.txt from what it takes."""
    given = f"      opt_inDS: {takes}\n" if takes else ""
    return (
        f"  {name}:\n    run: {run}\n    in:\n{given}"
        f"      opt_exec: {{default: 'echo a > a.txt'}}\n"
        f"      opt_args: {{default: '--outputs a.txt --maxAttempt 1 {more}'}}\n    out: [{out}]\n"
    )


CHAIN = HEAD + prun("top") + prun("mid", "top/outDS") + prun("end", "mid/outDS")


LOOP = {
    "w.cwl": HEAD + prun("first") + "  again:\n    run: body.cwl\n    in: {ds: first/outDS}\n"
    "    out: [outDS]\n    hints: [{class: loop, maxIterations: 4}]\n"
    + prun("last", "again/outDS"),
    "body.cwl": "cwlVersion: v1.2\nclass: Workflow\ninputs: {ds: string, param_x: {type: int, "
    "default: 1}}\noutputs: {outDS: {type: string, outputSource: work/outDS}}\nsteps:\n"
    + prun("work", "ds", "--nJobs %{x}") + prun("decide", "work/outDS", run="junction", out=""),
}  # fmt: skip


@cache
def checked(cwl: str, yaml: str, files: tuple[tuple[str, str], ...]) -> Any:
    """What loading finds; each text is loaded once a session, without a worker process."""
    reply = look_at(Bundle(files=dict(files), cwl=cwl, yaml=yaml), "user.alice.w")
    return found_in(json.loads(json.dumps(reply)))


def planned(
    cwl: str, files: Mapping[str, str], yaml: str = "", name: str = "", **changes: Any
) -> Planned:
    """A bundle with its plan, under a name of its own."""
    name = name or f"user.alice.w{next(_numbers)}"
    made = checked(cwl, yaml, tuple(sorted(files.items())))
    bundle = WorkflowBundle(name=name, cwl=cwl, yaml=yaml, files=dict(files))
    submission = WorkflowSubmission(bundle=bundle)
    return Planned(submission=submission, plan=made.plan, inputs=made.inputs, **changes)


def a_workflow(books: Books, cwl: str, files: Mapping[str, str], yaml: str = "",
               **changes: Any) -> int:  # fmt: skip
    """A submitted workflow of alice's; gives its id."""
    key = changes.pop("key", f"wkey{next(_numbers)}")
    return submit_workflow(books, planned(cwl, files, yaml, **changes), "alice", key).workflow_id


def chain(books: Books, **changes: Any) -> int:
    """A chain of three; gives its id."""
    return a_workflow(books, "w.cwl", {"w.cwl": CHAIN}, **changes)


def looping(books: Books, **changes: Any) -> int:
    """A loop between two steps; gives its id."""
    return a_workflow(books, "w.cwl", LOOP, **changes)


def texts_of(folder: Path, *names: str) -> dict[str, str]:
    """The texts of these files of a folder, by name."""
    return {name: (folder / name).read_text() for name in names}


class Hands:
    """A pilot that does what is told: jobs of tasks whose name ends in one of `bad` fail.

    Tools hand in the one of `results` under the end of their task's name.
    """

    def __init__(self, books: Books) -> None:
        self.books, self.pilot = books, a_pilot(books)
        self.bad: tuple[str, ...] = ()
        self.bad_jobs = 0
        self.decisions: list[Any] = []
        self.results: dict[str, Any] = {}
        self.jobs: list[JobSpec] = []

    def turn(self) -> int:
        """Run the stages, then all the jobs there are; gives how many there were."""
        run_stages(self.books)
        jobs = get_work(self.books, self.pilot).jobs
        for job in jobs:
            self._run(job)
        run_stages(self.books)
        return len(jobs)

    def one_job(self) -> None:
        """Run one job."""
        (job,) = get_work(self.books, self.pilot, n_jobs=1).jobs
        self._run(job)

    def _run(self, job: JobSpec) -> None:
        self.jobs.append(job)
        bad = job.task_name.endswith(self.bad) or self.bad_jobs > 0
        self.bad_jobs -= self.bad_jobs > 0
        left = self._left(job)
        report(self.books, self.pilot, a_report(job, "failed" if bad else "finished", **left))

    def to_the_end(self) -> None:
        """Turns until there is nothing left to run."""
        for _ in range(200):
            if not self.turn():
                return
        raise AssertionError("it does not end")

    def _left(self, job: JobSpec) -> dict[str, Any]:
        if PROGRAM in job.files:
            found = next(v for name, v in self.results.items() if job.task_name.endswith(name))
            return {"user_metadata": json.dumps(found)}
        if "results.json" not in job.command:
            return {}
        decided = self.decisions.pop(0) if self.decisions else {"to_terminate": True}
        text = decided if isinstance(decided, str) else json.dumps(decided)
        return {"user_metadata": text}


def steps(books: Books, workflow_id: int) -> dict[str, str]:
    """The status of each instance."""
    found = "SELECT instance, status FROM workflow_step WHERE workflow_id = :id ORDER BY id"
    return {str(name): str(status) for name, status in rows(books, found, id=workflow_id)}


def status_of(books: Books, workflow_id: int) -> tuple[str, str]:
    """Status and reason of a workflow."""
    (found,) = rows(books, "SELECT status, reason FROM workflow WHERE id = :id", id=workflow_id)
    return str(found[0]), str(found[1])


def n_tasks(books: Books) -> int:
    """How many tasks there are."""
    return int(value(books, "SELECT COUNT(*) FROM task"))
