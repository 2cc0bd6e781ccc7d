"""What the stages cost by themselves: microseconds of CPU for each job, in one process, no HTTP.

    python -m bench.stages --jobs 5000 [--batch 50] [--database URL] [--profile dispatch]

A task of `--jobs` jobs with one input file each goes its whole way; pilots are calls.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from culm.wire.codec import decode
from culm.wire.job_spec import JobSpec, PilotSpec, WorkRequest
from culm.wire.reports import JobMetrics, JobReport, OutputFile, ReportState
from culm.wire.task_spec import TaskSpec
from tasks.catalog.own import NewEntry, add_dataset, add_files
from tasks.queue_changes import set_queue
from tasks.stages import STAGES
from tasks.stages.dispatch import dispatch, sign_on
from tasks.stages.reports import take_reports
from tasks.stages.submit import submit
from tasks.store import schema, seed
from tasks.store.books import Books

OWNER = "bench"


@dataclass(slots=True)
class Clock:
    """CPU seconds by part, and the profile of one part."""

    profiled: str
    seconds: dict[str, float] = field(default_factory=dict)
    profile: cProfile.Profile = field(default_factory=cProfile.Profile)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what happens here to a part."""
        started = time.process_time()
        if name == self.profiled:
            self.profile.enable()
        yield
        if name == self.profiled:
            self.profile.disable()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - started


def make_task(books: Books, n_jobs: int) -> None:
    """A task whose files are in the catalogue."""
    entries = [
        NewEntry(f"f{i:07}", 1, "00000001", f"https://bench.invalid/f{i:07}") for i in range(n_jobs)
    ]
    with books.write() as session:
        add_files(session, add_dataset(session, "user.bench.data", "bench").id, entries)
    document = {
        "name": "user.bench.stages", "command": "true", "n_files_per_job": 1, "skip_scouts": True,
        "inputs": [{"stream": "IN", "datasets": ["user.bench.data"]}],
    }  # fmt: skip
    submit(books, decode(TaskSpec, document), "bench", "key")


def run_stages(books: Books, clock: Clock, *names: str) -> None:
    """These stages until nothing is ready."""
    busy = True
    while busy:
        busy = False
        for name in names:
            stage = STAGES[name]
            with clock.part(name):
                for claim in stage.claim(books, OWNER, 10):
                    stage.work(books, claim, OWNER)
                    busy = True


def run_jobs(books: Books, clock: Clock, n_jobs: int, batch: int) -> None:
    """Get and report every job, `batch` in a call."""
    with books.write() as session:
        pilot = sign_on(session, PilotSpec(queue="LOCAL", host="h", process_id=1, version="b"))[0]
    done = 0
    while done < n_jobs:
        wanted = WorkRequest(request_key=f"r{done}", n_jobs=batch, core_count=batch,
                             memory_mb=10**8, disk_mb=10**8)  # fmt: skip
        with clock.part("dispatch"), books.write() as session:
            jobs = dispatch(session, [(pilot, wanted)])[0].jobs
        with clock.part("report"), books.write() as session:
            take_reports(session, [(pilot, final(job)) for job in jobs])
        done += len(jobs)


def final(job: JobSpec) -> JobReport:
    """A report of success with all outputs."""
    return JobReport(
        job_id=job.job_id, attempt_nr=job.attempt_nr, report_nr=1, state=ReportState.FINISHED,
        exit_code=0, metrics=JobMetrics(wall_seconds=1.0), output_tail="done",
        outputs=tuple(OutputFile(lfn=o.lfn, size_bytes=1, adler32="00000001") for o in job.outputs),
    )  # fmt: skip


def measure(url: str, n_jobs: int, batch: int, profiled: str) -> Clock:
    """The CPU seconds of each part."""
    clock = Clock(profiled)
    with Books(url) as books:
        schema.upgrade(books)
        seed.seed(books, Path("/storage"))
        with books.write() as session:
            session.connection().exec_driver_sql("UPDATE storage_endpoint SET directory = NULL")
            # Jobs are bound to slots: here there is one for each.
            set_queue(session, "LOCAL", "LOCAL", {"n_slots": n_jobs})
        make_task(books, n_jobs)
        run_stages(books, clock, "refine", "feed", "assign", "generate")
        run_jobs(books, clock, n_jobs, batch)
        run_stages(books, clock, "collect", "post_process")
    return clock


def main() -> None:
    """Print microseconds a job, by part."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--database", default="", help="URL; a temporary SQLite file if not given")
    parser.add_argument("--profile", default="", help="part whose profile to print")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="culm-bench-") as folder:
        url = wanted.database or f"sqlite:///{folder}/culm.db"
        clock = measure(url, wanted.jobs, wanted.batch, wanted.profile)
    _print(clock, wanted.jobs)


def _print(clock: Clock, n_jobs: int) -> None:
    for name, seconds in clock.seconds.items():
        print(f"{name:14}{seconds / n_jobs * 1e6:9.1f} µs a job")
    if clock.profiled:
        show: Callable[[str], pstats.Stats] = pstats.Stats(clock.profile).sort_stats
        show("tottime").print_stats(30)
        show("cumtime").print_stats(45)


if __name__ == "__main__":
    main()
