"""Cleaning up after pilots that died: their payloads are killed, their directories removed.

Their jobs are not reported: the server gives them to others when their leases run out, and a
report of another pilot would be refused. What they left is found by the marks that their
directories bear, never by process ids, which may be anybody's by now.
"""

from __future__ import annotations

import logging
from pathlib import Path

from pilot.processes import kill_marked
from pilot.workdir import abandoned_runs, is_scratch, remove_tree

log = logging.getLogger(__name__)


def clean_up(work_dir: Path) -> int:
    """Clean up after every dead pilot of this directory; how many jobs they had left."""
    n_jobs = 0
    for run in abandoned_runs(work_dir):
        jobs = [path for path in run.iterdir() if path.is_dir() and not is_scratch(path)]
        n_killed = kill_marked([job.name for job in jobs], jobs)
        remove_tree(run)
        n_jobs += len(jobs)
        log.warning(
            "cleaned up after a dead pilot: run %s, %d jobs, %d processes killed",
            run.name,
            len(jobs),
            n_killed,
        )
    return n_jobs
