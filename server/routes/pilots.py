"""Pilots: signing on, asking for work, reporting. The hot routes go through the group commit."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request, Response

from culm.core.errors import Busy, CulmError, NotAllowed
from culm.wire.job_spec import PilotSpec, PilotWelcome, WorkAnswer, WorkRequest
from culm.wire.reports import (
    Instruction,
    JobReport,
    ReportAnswer,
    ReportAnswers,
    ReportBatch,
    ReportState,
)
from culm.wire.views import PilotList
from server.bodies import JsonBody, message
from server.identity.access import PERSON, PILOT_ITSELF, PROVISIONER, actor_of
from server.identity.actor import Role, pilot_subject
from server.identity.tokens import Grant, issue_token
from server.limits import BULK, SMALL, whole_body
from server.parts import Parts, parts_of
from server.replies import reply
from server.routing import Noun, Terms
from server.waiting import unless_gone
from tasks.stages.dispatch import dispatch, sign_off, sign_on
from tasks.stages.reports import take_reports
from tasks.store.topics import Topic
from tasks.views.queues import pilot_list

log = logging.getLogger(__name__)

pilots = Noun("pilots", "Agents on worker nodes: they sign on, ask for work, and report.")
TOKEN_LIFETIME = timedelta(days=7)
_FINAL = frozenset({ReportState.FINISHED, ReportState.FAILED})

_SPEC = {"queue": "LOCAL", "host": "node1", "process_id": 4711, "version": "0.1.0", "slots": 4}
_WORK = {"request_key": "7f3a", "n_jobs": 4, "core_count": 4, "memory_mb": 8000, "wait_seconds": 30}
_REPORT = {"reports": [{"job_id": 1, "attempt_nr": 1, "report_nr": 1, "state": "running"}]}


@pilots.get("/v1/pilots", Terms(PERSON, answers=PilotList))
def list_pilots(request: Request) -> Response:
    """Pilots, newest first."""
    with parts_of(request).books.read() as session:
        return reply(pilot_list(session))


@pilots.post(
    "/v1/pilots",
    Terms(PROVISIONER, takes=PilotSpec, answers=PilotWelcome, status=201, example=_SPEC),
)
def sign_pilot_on(
    request: Request, spec: Annotated[PilotSpec, Depends(JsonBody(PilotSpec, SMALL))]
) -> Response:
    """Sign a pilot on, with a provisioner's token, for a queue that this token names.

    The answer holds a token that is good for this pilot alone.
    """
    parts, actor = parts_of(request), actor_of(request)
    if not actor.may_serve(spec.queue):
        raise NotAllowed(f"this token provisions no pilots for queue {spec.queue}")
    with parts.books.write() as session:
        pilot_id, settings = sign_on(session, spec)
    grant = Grant(subject=pilot_subject(pilot_id), roles=frozenset({Role.PILOT}),
                  lifetime=TOKEN_LIFETIME, queues=(spec.queue,))  # fmt: skip
    welcome = PilotWelcome(
        pilot_id=pilot_id,
        token=issue_token(parts.keys, grant, parts.now()),
        token_expires_in_seconds=int(TOKEN_LIFETIME.total_seconds()),
        heartbeat_seconds=settings.heartbeat_seconds,
        lease_seconds=settings.lease_seconds,
    )
    log.info("pilot signed on", extra={"pilot": pilot_id, "queue": spec.queue, "host": spec.host})
    return reply(welcome, 201)


@pilots.delete("/v1/pilots/me", Terms(PILOT_ITSELF, status=204))
def sign_pilot_off(request: Request) -> Response:
    """Sign off: no more work is given; jobs that it still has keep their leases."""
    pilot_id = _pilot_id(request)
    with parts_of(request).books.write() as session:
        sign_off(session, pilot_id)
    log.info("pilot signed off", extra={"pilot": pilot_id})
    return Response(status_code=204)


@pilots.post(
    "/v1/pilots/me/work",
    Terms(PILOT_ITSELF, takes=WorkRequest, answers=WorkAnswer, example=_WORK, direct=True),
)
async def ask_for_work(request: Request) -> Response:
    """Ask for jobs that fit in what the pilot has free.

    With `wait_seconds` it answers as soon as there is work. The same `request_key` gets the
    same jobs again, so a call whose answer was lost can be repeated.
    """
    parts, pilot_id = parts_of(request), _pilot_id(request)
    wanted = message(WorkRequest, await whole_body(request, SMALL))
    ask = [(pilot_id, wanted)]
    if not wanted.wait_seconds:
        return reply((await parts.writer.do(dispatch, ask))[0])

    async def look() -> WorkAnswer | None:
        answer = (await parts.writer.do(dispatch, ask))[0]
        return answer if answer.jobs or answer.sign_off else None

    topics = (Topic.JOB_ACTIVATED,)
    who = pilot_subject(pilot_id)
    waiting = parts.waiters.until(topics, wanted.wait_seconds, look, who)
    return reply(await unless_gone(request, waiting) or WorkAnswer())


@pilots.post(
    "/v1/pilots/me/reports",
    Terms(PILOT_ITSELF, takes=ReportBatch, answers=ReportAnswers, example=_REPORT, direct=True),
)
async def report_jobs(request: Request) -> Response:
    """Report about jobs; each report is answered for itself, in the batch's order.

    Each report renews its job's lease. A report of an old attempt, of another pilot's job or
    of one that has ended is answered with `forget`.
    """
    parts, pilot_id = parts_of(request), _pilot_id(request)
    batch = await JsonBody(ReportBatch, BULK)(request)
    reports = [(pilot_id, report) for report in batch.reports]
    try:
        answers = await parts.writer.do(take_reports, reports)
    except Busy:
        raise
    except Exception:
        # One of them is poison: the others are booked without it.
        log.exception("a batch of reports failed", extra={"pilot": pilot_id})
        answers = await _one_by_one(parts, reports)
    return reply(ReportAnswers(answers=tuple(answers)))


async def _one_by_one(parts: Parts, reports: Sequence[tuple[int, JobReport]]) -> list[ReportAnswer]:
    return list(await asyncio.gather(*(_alone(parts, *report) for report in reports)))


async def _alone(parts: Parts, pilot_id: int, report: JobReport) -> ReportAnswer:
    try:
        return (await parts.writer.do(take_reports, [(pilot_id, report)]))[0]
    except Busy:
        raise
    except Exception as error:
        extra = {"pilot": pilot_id, "job": report.job_id, "attempt": report.attempt_nr}
        log.exception("a report could not be booked", extra=extra)
        # A final one cannot be had: the lease runs out, and the job is tried again.
        final = report.state in _FINAL
        return ReportAnswer(
            job_id=report.job_id,
            attempt_nr=report.attempt_nr,
            instruction=Instruction.FORGET if final else Instruction.GO_ON,
            reason=error.message if isinstance(error, CulmError) else "it could not be booked",
        )


def _pilot_id(request: Request) -> int:
    pilot_id = actor_of(request).pilot_id
    if pilot_id is None:  # the guard let a pilot through, so there is a number
        raise NotAllowed("this is open to pilots")
    return pilot_id
