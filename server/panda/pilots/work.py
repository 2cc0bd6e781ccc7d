"""Jobs for PanDA's pilots: claimed, with their input landed, in their words."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from culm.core.errors import NotAllowed
from culm.core.ids import new_key
from culm.wire.error_codes import PilotError
from culm.wire.job_spec import JobSpec, WorkRequest
from culm.wire.reports import JobReport, ReportState
from culm.wire.secrets import as_texts
from server.identity.actor import Actor
from server.panda.asked import Asked
from server.panda.pilots.job_dicts import Terms, files_in, job_dict
from server.panda.pilots.landing import land_inputs, local_path
from server.panda.pilots.passes import job_pass
from server.parts import Parts
from tasks.queues import QueueSettings
from tasks.secrets import give_secrets
from tasks.stages.guests import (
    GuestAsk,
    GuestReport,
    dispatch_to_guests,
    settings_of_queue,
    take_guest_reports,
)
from tasks.views.guest_jobs import GuestJob, guest_jobs, shared_endpoints

log = logging.getLogger(__name__)

JOB_FILES = "/trf/job"
_LARGEST_MB = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a pilot asks for."""

    queue: str
    node: str
    n_jobs: int
    memory_mb: int
    disk_mb: int
    seconds_left: int


def wish_of(asked: Asked) -> Wish:
    """What a call for jobs asks for, by the names of the older calls."""
    return Wish(
        queue=asked.text("siteName") if asked.get("siteName") else asked.text("computingElement"),
        node=asked.text("node", "")[:255], n_jobs=max(1, asked.number("nJobs", 1)),
        memory_mb=_megabytes(asked, "mem"), disk_mb=_megabytes(asked, "diskSpace"),
        seconds_left=asked.number("remainingTime", asked.number("remaining_time", 0)),
    )  # fmt: skip


def _megabytes(asked: Asked, name: str) -> int:
    """Their pilots measure in parts of a megabyte too."""
    try:
        value = int(float(asked.text(name, "0")))
    except (ValueError, OverflowError):
        return 0
    return min(max(value, 0), _LARGEST_MB)


def check_queue(actor: Actor, queue: str) -> None:
    """Nothing, if the token is one for this queue.

    Raises:
        NotAllowed: it is for others.
    """
    if not actor.may_serve(queue):
        raise NotAllowed(f"this token gets no jobs of queue {queue or '(none was named)'}")


async def jobs_for(parts: Parts, actor: Actor, wish: Wish, base_url: str) -> list[dict[str, Any]]:
    """Jobs for a pilot; one that it could not do is failed with the reason and not given.

    Raises:
        NotAllowed: the token is for other queues.
        NotFound: there is no such queue.
    """
    check_queue(actor, wish.queue)
    settings = await run_in_threadpool(_settings, parts, wish.queue)
    ask = GuestAsk(queue=wish.queue, node=wish.node, request=_request(wish, settings))
    answer = (await parts.writer.do(dispatch_to_guests, [ask]))[0]
    if not answer.jobs:
        return []
    land = functools.partial(_landed, parts, wish.queue, answer.jobs, base_url)
    given, faults = await run_in_threadpool(land)
    if faults:
        await parts.writer.do(take_guest_reports, faults)
    return given


def _settings(parts: Parts, queue: str) -> QueueSettings:
    with parts.books.read() as session:
        return settings_of_queue(session, queue)


def _request(wish: Wish, settings: QueueSettings) -> WorkRequest:
    cores = settings.core_count or 1
    return WorkRequest(
        request_key=new_key(), n_jobs=min(wish.n_jobs, 1000), core_count=cores,
        memory_mb=wish.memory_mb or settings.max_memory_mb or 2000 * cores,
        disk_mb=wish.disk_mb or settings.max_disk_mb or 10_000,
        minutes_left=wish.seconds_left / 60 or None,
    )  # fmt: skip


def _landed(
    parts: Parts, queue: str, specs: Sequence[JobSpec], base_url: str
) -> tuple[list[dict[str, Any]], list[GuestReport]]:
    """The jobs that their pilot can do, and reports that fail the others."""
    with parts.books.read() as session:
        jobs = guest_jobs(session, [spec.job_id for spec in specs])
        everywhere = shared_endpoints(session)
        here = shared_endpoints(session, queue)
    given, faults = [], []
    for spec in specs:
        fault = _land(spec, jobs[spec.job_id], everywhere, here)
        if fault:
            faults.append(GuestReport(report=_failure(spec, fault)))
            continue
        text = job_pass(parts.keys, spec.job_id, spec.attempt_nr, parts.now())
        terms = Terms(job=jobs[spec.job_id], source_url=f"{base_url}{JOB_FILES}/{text}",
                      input_endpoint=here[0][0])  # fmt: skip
        given.append(job_dict(spec, terms) | _secrets(parts, spec, terms.job.user))
    return given, faults


def _secrets(parts: Parts, spec: JobSpec, owner: str) -> dict[str, str]:
    """The secrets of the job's owner, if it asks for them: their pilot writes the file itself."""
    if spec.secrets_url is None:
        return {}
    with parts.books.write() as session:
        found = give_secrets(session, parts.sealing, owner, spec.job_id)
    return {"secrets": json.dumps(as_texts(found))}


def _land(
    spec: JobSpec,
    job: GuestJob,
    everywhere: Sequence[tuple[str, Path]],
    here: Sequence[tuple[str, Path]],
) -> str:
    """Land a job's input; why its pilot could not do it, "" if it can."""
    if not here:
        return f"queue {job.queue} reads no storage that is a directory"
    if job.directory is None:
        return f"storage {job.endpoint} is no directory: their tool mv cannot write there"
    sources = [(item.lfn, local_path(item, everywhere)) for item in files_in(spec)]
    missing = [lfn for lfn, path in sources if path is None]
    if missing:
        return f"no copy in a directory that the server shares: {', '.join(missing)}"
    try:
        land_inputs(spec, [(lfn, path) for lfn, path in sources if path is not None], here[0][1])
    except OSError as error:
        return f"its input cannot be linked into storage {here[0][0]}: {error}"
    return ""


def _failure(spec: JobSpec, fault: str) -> JobReport:
    log.warning("no job for PanDA's pilot", extra={"job": spec.job_id, "reason": fault})
    return JobReport(
        job_id=spec.job_id, attempt_nr=spec.attempt_nr, report_nr=1, state=ReportState.FAILED,
        pilot_error_code=int(PilotError.UNKNOWN_COPY_TOOL),
        pilot_error_diag=f"not for PanDA's pilot: {fault}"[:4000],
    )  # fmt: skip
