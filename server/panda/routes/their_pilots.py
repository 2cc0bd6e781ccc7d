"""PanDA's pilots ask for jobs and report, in the older form and in the newer one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from culm.core.errors import InvalidRequest
from server.panda.asked import Asked, wrong
from server.panda.envelope import Said, words_of
from server.panda.pilots.answers import DONE, FAILED, INVALID, NO_JOBS, flat, older
from server.panda.pilots.newer import newer
from server.panda.pilots.told import Told, renamed, told_of
from server.panda.pilots.updates import NO_COMMAND, Heard, take_updates
from server.panda.pilots.work import jobs_for, wish_of
from server.routing import Noun
from tasks.views.guest_jobs import GuestJob, guest_jobs

their_pilots = Noun("PanDA's pilots", "PanDA's own pilot takes jobs of our queues and reports.")
_NO_JOB = "no job for this queue now"
_NO_EVENTS = "no job here is split into ranges of events"
_NO_PROXY = "this server issues no X.509 proxies: pilots use tokens"
_MOST_UPDATES = 1000
_SERVER = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+")


@older(their_pilots, "getJob")
async def get_job(asked: Asked, request: Request) -> dict[str, Any]:
    """A job for a pilot, or as many as `nJobs` for a harvester."""
    found = await jobs_for(asked.parts, asked.actor, wish_of(asked), _base_url(request))
    if not found:
        return flat(NO_JOBS, errorDialog=_NO_JOB)
    # Who asks for several gets a list; their pilot wants the job itself.
    return flat(DONE, jobs=found) if asked.get("nJobs") else flat(DONE, **found[0])


@older(their_pilots, "updateJob")
async def update_job(asked: Asked, _: Request) -> dict[str, Any]:
    """A report of one job; the answer may hold a command for its pilot."""
    heard = (await take_updates(asked.parts, asked.actor, [told_of(asked)]))[0]
    return _flat(heard)


def _flat(heard: Heard) -> dict[str, Any]:
    if heard.refusal:
        return flat(FAILED, command=heard.command, ErrorDiag=heard.refusal)
    return flat(DONE, command=heard.command) | ({"ErrorDiag": heard.words} if heard.words else {})


@older(their_pilots, "updateJobsInBulk")
async def update_jobs(asked: Asked, _: Request) -> list[Any]:
    """Reports of many jobs; each is answered for itself, as a text."""
    answers = await _bulk(asked, _list(asked, "jobList"), dict)
    texts = [{"content": json.dumps(each["data"] | {"ErrorDiag": each["message"]})}
             for each in answers]  # fmt: skip
    return [True, texts]


@older(their_pilots, "getStatus")
async def get_status(asked: Asked, _: Request) -> dict[str, Any]:
    """What the books say of jobs: their statuses and attempts, joined by commas."""
    ids = [_job_id(text) for text in asked.text("ids").split(",")]
    jobs = await run_in_threadpool(_jobs, asked, ids)
    found = [jobs.get(job_id) for job_id in ids]
    return flat(
        DONE,
        status=",".join(job.status if job else "notfound" for job in found),
        attemptNr=",".join(str(job.attempt_nr if job else 0) for job in found),
    )


@older(their_pilots, "updateWorkerPilotStatus")
async def update_worker_pilot_status(asked: Asked, _: Request) -> dict[str, Any]:
    """A worker has started or has finished."""
    _check_worker(asked)
    return flat(DONE)


@older(their_pilots, "getProxy")
async def get_proxy(asked: Asked, _: Request) -> dict[str, Any]:
    """A proxy certificate, of which there are none here."""
    return flat(INVALID, errorDialog=_NO_PROXY, userProxy="")


@older(their_pilots, "getKeyPair")
async def get_key_pair(asked: Asked, _: Request) -> dict[str, Any]:
    """A pair of keys for an object store, of which there are none here."""
    return flat(INVALID, errorDialog="this server hands out no keys of object stores")


@older(their_pilots, "getEventRanges")
async def get_event_ranges(asked: Asked, _: Request) -> dict[str, Any]:
    """Ranges of events for a job: none, for jobs get their events when they are made."""
    return flat(DONE, eventRanges=[])


@older(their_pilots, "updateEventRanges")
async def update_event_ranges(asked: Asked, _: Request) -> dict[str, Any]:
    """Reports of ranges of events: none of them is known."""
    ranges = _list(asked, "eventRanges")
    return flat(DONE, Returns=[False] * len(ranges), Command={}, errorDialog=_NO_EVENTS)


@newer(their_pilots, "pilot", "acquire_jobs", "POST")
async def acquire_jobs(asked: Asked, request: Request) -> Said:
    """Jobs for a pilot or a harvester."""
    asked = _older_names(asked)
    wish = wish_of(replace(asked, fields={
        **asked.fields, "mem": asked.get("memory"), "diskSpace": asked.get("diskSpace"),
    }))  # fmt: skip
    found = await jobs_for(asked.parts, asked.actor, wish, _base_url(request))
    if not found:
        return Said(success=False, message=_NO_JOB)
    return Said(data=flat(DONE, jobs=found))


@newer(their_pilots, "pilot", "update_job", "POST")
async def update_one_job(asked: Asked, _: Request) -> Said:
    """A report of one job; the answer may hold a command for its pilot."""
    told = [told_of(_older_names(asked))]
    return _said((await take_updates(asked.parts, asked.actor, told))[0])


def _said(heard: Heard) -> Said:
    command = None if heard.command == NO_COMMAND else heard.command
    data = flat(FAILED if heard.refusal else DONE, command=command)
    words = heard.refusal or heard.words
    return Said(success=not heard.refusal, message=words, data=data)


@newer(their_pilots, "pilot", "update_jobs_bulk", "POST")
async def update_jobs_in_bulk(asked: Asked, _: Request) -> Said:
    """Reports of many jobs; each is answered for itself."""
    answers = await _bulk(asked, _list(asked, "job_list"), renamed)
    return Said(data=answers)


@newer(their_pilots, "pilot", "get_job_status", "GET")
async def get_job_status(asked: Asked, _: Request) -> Said:
    """What the books say of jobs: their statuses and attempts."""
    ids = asked.numbers("job_ids")
    jobs = await run_in_threadpool(_jobs, asked, ids)
    return Said(data=[
        {"job_id": i, "status": jobs[i].status if i in jobs else "not found",
         "attempt_number": jobs[i].attempt_nr if i in jobs else 0} for i in ids
    ])  # fmt: skip


@newer(their_pilots, "pilot", "update_worker_status", "POST")
async def update_worker_status(asked: Asked, _: Request) -> Said:
    """A worker has started or has finished."""
    _check_worker(asked)
    return Said()


@newer(their_pilots, "pilot", "update_worker_node", "POST")
async def update_worker_node(asked: Asked, _: Request) -> Said:
    """What a node has: each request for jobs says what counts, so only its form is looked at."""
    asked.text("host_name")
    return Said()


@newer(their_pilots, "pilot", "update_worker_node_gpu", "POST")
async def update_worker_node_gpu(asked: Asked, _: Request) -> Said:
    """What GPUs a node has; brokerage goes by the settings of its queue."""
    asked.text("host_name")
    return Said()


def _base_url(request: Request) -> str:
    """This server, as the pilot reached it.

    Raises:
        InvalidRequest: the name by which it was called is none.
    """
    url = str(request.base_url).rstrip("/")
    if not _SERVER.fullmatch(url):
        raise wrong("Host", url, "the name of a host and its port")
    return url


def _older_names(asked: Asked) -> Asked:
    return replace(asked, fields=renamed(asked.fields))


def _check_worker(asked: Asked) -> None:
    status = asked.text("status")
    if status not in ("started", "finished"):
        raise wrong("status", status, "started or finished")


def _list(asked: Asked, name: str) -> list[Any]:
    """A list, or the JSON text of one."""
    value = asked.get(name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise wrong(name, value, f"JSON: {error}") from error
    if not isinstance(value, list) or len(value) > _MOST_UPDATES:
        raise wrong(name, value, f"a list of at most {_MOST_UPDATES}")
    return value


async def _bulk(asked: Asked, listed: list[Any], names: Any) -> list[dict[str, Any]]:
    """An envelope for each report; one that cannot be read does not hold up the others."""
    read: list[Told | Said] = [_told(asked, each, names) for each in listed]
    told = [each for each in read if isinstance(each, Told)]
    heard = iter(await take_updates(asked.parts, asked.actor, told))
    said = [_said(next(heard)) if isinstance(each, Told) else each for each in read]
    return [{"success": s.success, "message": s.message, "data": s.data} for s in said]


def _told(asked: Asked, fields: Any, names: Any) -> Told | Said:
    try:
        if not isinstance(fields, Mapping):
            raise wrong("job_list", fields, "a list of objects")
        return told_of(replace(asked, fields=names(fields)))
    except InvalidRequest as error:
        data = flat(INVALID, command=None)
        return Said(success=False, message=words_of(error), data=data)


def _job_id(text: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise wrong("ids", text, "numbers of jobs, joined by commas")
    return int(text)


def _jobs(asked: Asked, ids: list[int]) -> dict[int, GuestJob]:
    """Those of the jobs that are at a queue of the token."""
    with asked.parts.books.read() as session:
        found = guest_jobs(session, ids)
    return {i: job for i, job in found.items() if asked.actor.may_serve(job.queue)}
