"""Jobs: reading, killing, and looking on."""

from __future__ import annotations

from culm.core.errors import CulmError, NotAllowed
from culm.wire.job_requests import NewJobRequest, RequestKind
from server.panda.asked import Asked
from server.panda.calls import Calls
from server.panda.codes import code_of
from server.panda.envelope import Said, words_of
from server.panda.job_rows import MOST_JOBS, job_rows, user_metadata
from server.panda.owners import own_job, own_jobs, own_task
from server.routing import Noun
from tasks.stages.job_command import kill_job
from tasks.stages.job_requests import ask

jobs = Noun("panda: jobs", "Jobs as PanDA's client reads and kills them.")
_calls = Calls(jobs, "job")


@_calls.post("get_description", told=True)
def get_description(asked: Asked) -> Said:
    """The jobs of these `job_ids` with their files, in this order; null for one not of yours."""
    return _described(asked)


@_calls.post("get_description_incl_archive", told=True)
def get_description_incl_archive(asked: Asked) -> Said:
    """The same: jobs that ended long ago are in the same books."""
    return _described(asked)


@_calls.post("kill", told=True)
def kill(asked: Asked) -> Said:
    """Kill jobs; `data` says of each whether it was taken up, and why not."""
    return Said(data=[_kill(asked, job_id) for job_id in asked.numbers("job_ids")])


@_calls.post("set_debug_mode", told=True)
def set_debug_mode(asked: Asked) -> Said:
    """Let the pilot of a running job listen more often, or no more (`mode` false)."""
    kind = RequestKind.DEBUG if asked.flag("mode", default=True) else RequestKind.DEBUG_OFF
    with asked.parts.books.write() as session:
        job_id = own_job(session, asked)
        ask(session, job_id, asked.actor.subject, NewJobRequest(kind=kind))
    return Said(data=f"job {job_id} is told: {kind}. See what it prints: culm job tail {job_id}")


@_calls.post("submit", told=True)
def submit(_asked: Asked) -> Said:
    """Refused: jobs are made from tasks."""
    raise NotAllowed("jobs are made from tasks here", hint="submit a task: prun, task/submit")


@_calls.get("get_metadata_for_analysis_jobs", told=True)
def get_metadata_for_analysis_jobs(asked: Asked) -> Said:
    """What the finished jobs of a task wrote about themselves, by job."""
    with asked.parts.books.read() as session:
        return Said(data=user_metadata(session, own_task(session, asked)))


def _described(asked: Asked) -> Said:
    ids = asked.numbers("job_ids")[:MOST_JOBS]
    with asked.parts.books.read() as session:
        mine = set(own_jobs(session, asked, ids))
        rows = {row["PandaID"]: row for row in job_rows(session, sorted(mine)) if row}
    return Said(data=[rows.get(job_id) for job_id in ids])


def _kill(asked: Asked, job_id: int) -> list[object]:
    with asked.parts.books.read() as session:
        mine = own_jobs(session, asked, [job_id])
    if not mine:
        return [False, f"no job {job_id} of yours"]
    try:
        kill_job(asked.parts.books, job_id, asked.actor.subject)
    except CulmError as error:
        return [False, f"code {int(code_of(error))}: {words_of(error)}"]
    return [True, f"job {job_id} will be killed"]
