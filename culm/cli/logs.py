"""What jobs said: the last lines that the server keeps, and their log archives in storage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from culm.cli.moving import folder_for
from culm.cli.outcome import Act, act_on, exit_code
from culm.cli.render import print_json, safe, say
from culm.client import Client
from culm.core.errors import NotFound
from culm.wire.views import JobView


def show_tails(client: Client, jobs: Iterable[JobView], *, as_json: bool) -> None:
    """Print the last lines of output of each job."""
    found = [job if job.output_tail else client.job(job.job_id) for job in jobs]
    if as_json:
        print_json([_row(job) for job in found])
        return
    for job in found:
        exit_words = "" if job.exit_code is None else f", exit code {job.exit_code}"
        say(f"== job {job.job_id} attempt {job.attempt_nr} {job.status}{exit_words} {job.error}")
        # Payload output is a stranger's text; only its lines and tabs are kept.
        print(safe(job.output_tail, keep="\n\t").rstrip("\n"))


def _row(job: JobView) -> dict[str, object]:
    names = ("job_id", "attempt_nr", "status", "exit_code", "error", "output_tail")
    return {name: getattr(job, name) for name in names}


def fetch_logs(client: Client, job_ids: Sequence[int], directory: Path) -> int:
    """Fetch the log archive of each job; the exit code: 7 where some have none."""
    folder_for("--download", directory)
    acts = act_on(job_ids, lambda job_id: _fetch(client, job_id, directory))
    for act in acts:
        _tell(act)
    return exit_code(acts)


def _fetch(client: Client, job_id: int, directory: Path) -> str:
    for file in client.job(job_id).files:
        if file.kind == "log":
            return str(client.download(file.dataset, file.lfn, directory))
    raise NotFound(f"job {job_id} has no log archive")


def _tell(act: Act) -> None:
    if act.error:
        say(f"culm: job {act.target}: {act.message}")
    else:
        print(safe(act.message))
