"""The jobs of a trial, one after the other: made by the stages, run by the pilot's own runner."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import cycle

from culm.core.errors import OurFault
from culm.core.ids import new_key
from culm.wire.codec import decode, encode
from culm.wire.job_spec import JobSpec, WorkRequest
from culm.wire.reports import JobReport
from culm.wire.views import CommandRequest, TaskView
from tasks.stages import STAGES
from tasks.stages.command import command
from tasks.stages.dispatch import dispatch
from tasks.stages.reports import take_reports
from tasks.statuses import JobKind
from tasks.store.books import Books
from tasks.trying.scene import MOST, USER, Trial
from tasks.views.tasks import task_view

FOREVER_SECONDS = 1e9
"""The lease of a job that nobody could take over."""
OWNER = "try"
LOG = "pilot.log"


@dataclass(frozen=True, slots=True)
class Run:
    """A job that was run, and what its pilot said of it."""

    spec: JobSpec
    report: JobReport


def runs(
    trial: Trial, most: int, fetch: Callable[[JobSpec], None], secrets: Mapping[str, str]
) -> Iterator[Run]:
    """Each job as soon as it has run: builds, at most `most` jobs over the input, merges.

    `fetch` brings the input of a job to where its URLs say, before it starts; `secrets` are given
    to jobs of a task that asks for them.
    """
    n_run = 0
    while True:
        move_on(trial.books)
        spec = _next(trial)
        if spec is None:
            return
        fetch(spec)
        report = _run(trial, spec, secrets)
        with trial.books.write() as session:
            take_reports(session, [(trial.pilot_id, report)])
        yield Run(spec, report)
        n_run += spec.kind == JobKind.RUN
        if n_run == most:
            move_on(trial.books)
            if not shown(trial).final:
                order = CommandRequest(command="finish", reason="as many jobs ran as were wanted")
                command(trial.books, trial.task_id, order, USER)


def shown(trial: Trial) -> TaskView:
    """The task as it is now."""
    with trial.books.read() as session:
        return task_view(session, trial.task_id)


def move_on(books: Books) -> None:
    """Let each stage do what is ready, until nothing is."""
    n_quiet = 0
    for stage in cycle(STAGES.values()):
        claims = stage.claim(books, OWNER, 10)
        for claim in claims:
            stage.work(books, claim, OWNER)
        n_quiet = 0 if claims else n_quiet + 1
        if n_quiet == len(STAGES):
            return


def _next(trial: Trial) -> JobSpec | None:
    request = WorkRequest(request_key=new_key(), core_count=100_000, memory_mb=MOST, disk_mb=MOST)
    with trial.books.write() as session:
        (answer,) = dispatch(session, [(trial.pilot_id, request)])
    jobs = answer.jobs
    return replace(jobs[0], lease_seconds=FOREVER_SECONDS) if jobs else None


def _run(trial: Trial, spec: JobSpec, secrets: Mapping[str, str]) -> JobReport:
    """What the pilot's runner says, in a process of its own: it takes in whatever a job leaves.

    Raises:
        OurFault: it ended without a report.
    """
    argv = [sys.executable, "-m", "pilot.local", "--work-dir", str(trial.folder)]
    given = json.dumps({"job": encode(spec), "secrets": dict(secrets)})
    with (trial.folder / LOG).open("ab") as log:
        ended = subprocess.run(
            argv, input=given.encode(), stdout=subprocess.PIPE, stderr=log,
            check=False,
        )  # fmt: skip
    if ended.returncode:
        raise OurFault(f"the job's runner ended with {ended.returncode}",
                       hint=f"see {trial.folder / LOG}")  # fmt: skip
    return decode(JobReport, json.loads(ended.stdout), "report")
