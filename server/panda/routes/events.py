"""Event ranges of jobs: ours are files of the input, cut by events."""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import Any

from sqlalchemy import select

from culm.core.errors import NotAllowed
from server.panda.asked import Asked, wrong
from server.panda.calls import Calls
from server.panda.envelope import Said
from server.panda.owners import own_jobs
from server.routing import Noun
from tasks.statuses import FileStatus as F
from tasks.store.bulk import id_in
from tasks.store.tables import DATASET, FILE, JOB, JOB_FILE

events = Noun("panda: events", "Ranges of events, as PanDA's client reads them.")
_calls = Calls(events, "event")
_STATUS = {
    F.READY: "ready", F.PICKED: "sent", F.DEFINED: "sent", F.RUNNING: "running",
    F.PREPARED: "finished", F.MERGING: "finished", F.FINISHED: "done", F.FAILED: "failed",
}  # fmt: skip
LONGEST_PAIR = 200


@_calls.get("get_event_range_statuses", told=True)
def get_event_range_statuses(asked: Asked) -> Said:
    """The ranges of these jobs with their statuses, by job; none where input is whole files."""
    ids = [_job_of(pair) for pair in asked.several("job_task_ids")]
    with asked.parts.books.read() as session:
        mine = own_jobs(session, asked, ids)
        rows = session.connection().execute(
            select(JOB_FILE.c.job_id, JOB.c.task_id, JOB.c.attempt_nr, FILE.c.id,
                   FILE.c.start_event, FILE.c.status)
            .join(JOB, JOB.c.id == JOB_FILE.c.job_id)
            .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
            .join(DATASET, DATASET.c.id == FILE.c.dataset_id)
            .where(id_in(JOB_FILE.c.job_id, mine, session), DATASET.c.is_primary,
                   FILE.c.n_events.is_not(None))
            .order_by(JOB_FILE.c.job_id, FILE.c.id)
        )  # fmt: skip
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for job_id, task_id, attempt_nr, file_id, start, status in rows:
            name = f"{task_id}-{file_id}-{job_id}-{start}-{attempt_nr}"
            found[str(job_id)][name] = _STATUS.get(F(status), "discarded")
    return Said(data={str(i): [{k: v} for k, v in found[str(i)].items()] for i in mine})


@_calls.post("update_event_ranges", told=True)
def update_event_ranges(asked: Asked) -> Said:
    """Refused: what became of events is told by the pilot that has the job."""
    n_ranges = len(asked.several("event_ranges"))
    raise NotAllowed(f"{n_ranges} ranges: only the pilot of a job says what became of its events")


def _job_of(pair: Any) -> int:
    """The job of a pair; the client writes it as Python does, not as JSON."""
    value = pair
    if isinstance(pair, str) and len(pair) <= LONGEST_PAIR:
        try:
            value = ast.literal_eval(pair)
        except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
            raise wrong("job_task_ids", pair, "{'task_id': …, 'panda_id': …}") from error
    number = value.get("panda_id") if isinstance(value, dict) else None
    if isinstance(number, bool) or not isinstance(number, int):
        raise wrong("job_task_ids", pair, "{'task_id': …, 'panda_id': …}")
    return number
