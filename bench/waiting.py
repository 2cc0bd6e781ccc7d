"""What a request for work costs while very many jobs wait, in four shares: CPU and time.

    python -m bench.waiting [--jobs 10000,1000000] [--batch 10]

In one process, on SQLite, without HTTP.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import text

from broker.share_rules import Attributes, Rule
from broker.shares import DEFAULT, Share
from culm.wire.codec import decode
from culm.wire.job_spec import PilotSpec, WorkRequest
from culm.wire.task_spec import TaskSpec
from tasks.share_changes import set_shares
from tasks.stages.dispatch import dispatch, sign_on
from tasks.stages.share_counts import count_shares
from tasks.stages.submit import submit
from tasks.store import schema, seed
from tasks.store.books import Books

N_REQUESTS = 200
WEIGHTS = {"production": 50, "analysis": 30, "test": 15, DEFAULT: 5}
FILL = text("""
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO job (id, task_id, attempt_nr, status, queue_id, share_name, resource_type, priority,
  core_count, memory_mb, disk_mb, walltime_seconds, serial_nr, sequence_nr, first_event,
  max_events, skip_events, node, report_nr, kill_reason, reported_state, pilot_error_code,
  pilot_error_diag, server_error_code, server_error_diag, created_at, modified_at)
SELECT i, :task, 1, 'activated', 1,
  CASE i % 4 WHEN 0 THEN 'production' WHEN 1 THEN 'analysis' WHEN 2 THEN 'test' ELSE 'default' END,
  'SCORE', 900 + i * 7919 % 200, 1, 100, 1, 3600, i, i, 0, -1, 0, '', 0, '', '', 0, '', 0, '',
  '2026-01-01 00:00:00.000000', '2026-01-01 00:00:00.000000' FROM n
""")


def measure(n_jobs: int, batch: int) -> tuple[float, float]:
    """Milliseconds of CPU and of time for a request that gets `batch` jobs."""
    with (
        tempfile.TemporaryDirectory(prefix="culm-bench-") as folder,
        Books(f"sqlite:///{folder}/culm.db") as books,
    ):
        pilot = _fill(books, n_jobs)
        cpu, clock = time.process_time(), time.perf_counter()
        for number in range(N_REQUESTS):
            wanted = WorkRequest(request_key=f"r{number}", n_jobs=batch, core_count=batch,
                                 memory_mb=10**6, disk_mb=10**6)  # fmt: skip
            with books.write() as session:
                answer = dispatch(session, [(pilot, wanted)])[0]
            if len(answer.jobs) != batch:
                raise RuntimeError(f"{len(answer.jobs)} jobs came, {batch} were wanted")
        cpu, clock = time.process_time() - cpu, time.perf_counter() - clock
    return cpu / N_REQUESTS * 1e3, clock / N_REQUESTS * 1e3


def _fill(books: Books, n_jobs: int) -> int:
    """A task with so many waiting jobs in four shares; gives a pilot's number."""
    schema.upgrade(books)
    seed.seed(books, Path("/storage"))
    spec = decode(TaskSpec, {"name": "user.bench.waiting", "command": "true"})
    task_id = submit(books, spec, "bench", "key").task_id
    shares = [Share(name=name, weight=weight) for name, weight in WEIGHTS.items()]
    rules = [Rule(share="production", patterns=Attributes(activity="managed"))]
    with books.write() as session:
        set_shares(session, shares, rules)
        session.connection().execute(FILL, {"count": n_jobs, "task": task_id})
    count_shares(books)
    with books.write() as session:
        return sign_on(session, PilotSpec(queue="LOCAL", host="h", process_id=1, version="b"))[0]


def main() -> None:
    """Print a line for each number of jobs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--jobs", type=_numbers, default=[10_000, 1_000_000])
    parser.add_argument("--batch", type=int, default=10)
    wanted = parser.parse_args()
    first: float | None = None
    for n_jobs in wanted.jobs:
        cpu, clock = measure(n_jobs, wanted.batch)
        first = first or cpu
        print(f"{n_jobs:>10,} jobs wait: {cpu:6.2f} ms CPU, {clock:6.2f} ms a request, "
              f"{cpu / first:.2f} × the first")  # fmt: skip


def _numbers(words: str) -> Sequence[int]:
    return [int(word) for word in words.split(",")]


if __name__ == "__main__":
    main()
