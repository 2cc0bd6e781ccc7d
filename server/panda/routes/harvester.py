"""PanDA's harvesters: they tell of their workers, and hear how many they should start."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import Request, Response
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from culm.wire.views import HarvesterList
from server.identity.access import PERSON
from server.panda.asked import Asked, wrong
from server.panda.envelope import Said
from server.panda.pilots.newer import newer
from server.panda.pilots.work import check_queue
from server.parts import parts_of
from server.replies import reply
from server.routing import Noun, Terms
from tasks import harvesters as kept
from tasks.resource_type_changes import list_types
from tasks.stages.pilot_streaming import take_workers
from tasks.views.queues import workers_wanted

harvester = Noun("PanDA's harvesters", "PanDA's harvesters tell of their workers here.")
_MOST = 10_000
_LONGEST = 20_000


@harvester.get("/v1/harvesters", Terms(PERSON, answers=HarvesterList))
def list_harvesters(request: Request) -> Response:
    """PanDA's harvesters, with their workers by status and their latest messages."""
    with parts_of(request).books.read() as session:
        return reply(kept.harvester_list(session))


@newer(harvester, "harvester", "heartbeat", "POST")
async def heartbeat(asked: Asked, _: Request) -> Said:
    """An instance is alive."""
    return await _heard(asked, lambda session, name: None)


@newer(harvester, "harvester", "update_workers", "POST")
async def update_workers(asked: Asked, _: Request) -> Said:
    """What workers do; the answer says of each whether it was taken."""
    told = [_worker(each) for each in _objects(asked, "workers")]
    mine = [asked.actor.may_serve(each.queue) for each in told]
    good = [each for each, may in zip(told, mine, strict=True) if may]
    await _heard(asked, lambda session, name: kept.keep_workers(session, name, good))
    return Said(data=mine)


@newer(harvester, "harvester", "report_worker_statistics", "POST")
async def report_worker_statistics(asked: Asked, _: Request) -> Said:
    """How many workers of a queue are in which status."""
    queue, counts = asked.text("panda_queue"), asked.mapping("statistics")
    check_queue(asked.actor, queue)
    if counts is None:
        raise wrong("statistics", None, "numbers by job type, resource type and status")
    return await _heard(asked, lambda session, name: kept.keep_counts(session, name, queue, counts))


@newer(harvester, "harvester", "get_worker_statistics", "GET")
async def get_worker_statistics(asked: Asked, _: Request) -> Said:
    """What all instances told of their numbers of workers, by queue and instance."""
    return Said(data=await run_in_threadpool(_read, asked, kept.worker_counts))


@newer(harvester, "harvester", "get_current_worker_id", "GET")
async def get_current_worker_id(asked: Asked, _: Request) -> Said:
    """The highest number that one of an instance's workers bears."""
    name = _name(asked)
    last = await run_in_threadpool(_read, asked, lambda s: kept.last_worker_id(s, name))
    return Said(data=last)


@newer(harvester, "harvester", "add_dialogs", "POST")
async def add_dialogs(asked: Asked, _: Request) -> Said:
    """Messages for whoever looks after the instance."""
    said = [kept.Message("dialog", str(each.get("messageLevel") or ""), _line(each))
            for each in _objects(asked, "dialogs")]  # fmt: skip
    return await _heard(asked, lambda session, name: kept.keep_messages(session, name, said))


def _line(dialog: Mapping[str, Any]) -> str:
    words = (dialog.get("creationTime"), dialog.get("moduleName"), dialog.get("diagMessage"))
    return _clean(" ".join(str(word) for word in words if word))


@newer(harvester, "harvester", "update_service_metrics", "POST")
async def update_service_metrics(asked: Asked, _: Request) -> Said:
    """How the machines of an instance are."""
    metrics = asked.get("metrics")
    if not isinstance(metrics, list) or len(metrics) > _MOST:
        raise wrong("metrics", metrics, "a list of [time, host, metrics]")
    said = [kept.Message("metrics", "", _clean(json.dumps(each))) for each in metrics]
    return await _heard(asked, lambda session, name: kept.keep_messages(session, name, said))


@newer(harvester, "harvester", "acquire_commands", "POST")
async def acquire_commands(asked: Asked, _: Request) -> Said:
    """How many workers the queues of the token should get: these are wanted no more by others."""
    name, most = _name(asked), asked.number("n_commands", 1)
    commands: list[dict[str, Any]] = []
    await _heard(asked, lambda session, _: commands.extend(_wanted(asked, session, most)))
    stamp = int(asked.parts.now().timestamp() * 1e6)
    return Said(data=[
        {"command_id": stamp + nr, "harvester_id": name, "ack_requested": False, **command}
        for nr, command in enumerate(commands)
    ])  # fmt: skip


def _wanted(asked: Asked, session: Session, most: int) -> list[dict[str, Any]]:
    """A command for each queue; `ANY` is harvester's word for all types of job."""
    by_queue: dict[str, dict[str, int]] = {}
    for each in workers_wanted(session).workers:
        mine = asked.actor.may_serve(each.queue)
        if not mine or (each.queue not in by_queue and len(by_queue) >= most):
            continue
        granted = take_workers(session, each.queue, each.resource_type, each.n_workers)
        if granted:
            by_queue.setdefault(each.queue, {})[each.resource_type] = granted
    return [{"command": f"SET_N_WORKERS_JOBTYPE:{queue}", "params": {"ANY": numbers}}
            for queue, numbers in by_queue.items()]  # fmt: skip


@newer(harvester, "harvester", "acknowledge_commands", "POST")
async def acknowledge_commands(asked: Asked, _: Request) -> Said:
    """Commands were heard; none of ours asks for this."""
    if asked.get("command_ids") is None:
        raise wrong("command_ids", None, "a list of numbers")
    asked.numbers("command_ids")
    return Said()


@newer(harvester, "metaconfig", "get_resource_types", "GET")
async def get_resource_types(asked: Asked, _: Request) -> Said:
    """The kinds of need by which workers are counted."""
    found = await run_in_threadpool(_read, asked, list_types)
    return Said(data=[
        {"resource_name": t.name, "mincore": t.min_cores, "maxcore": t.max_cores,
         "minrampercore": t.min_memory_mb_per_core, "maxrampercore": t.max_memory_mb_per_core}
        for t in found.types
    ])  # fmt: skip


@newer(harvester, "creds", "get_proxy", "GET")
async def get_proxy(asked: Asked, _: Request) -> Said:
    """A proxy certificate, of which there are none here."""
    return _NONE


@newer(harvester, "creds", "get_token_key", "GET")
async def get_token_key(asked: Asked, _: Request) -> Said:
    """A key for tokens of another service, of which there are none here."""
    return _NONE


@newer(harvester, "creds", "get_key_pair", "GET")
async def get_key_pair(asked: Asked, _: Request) -> Said:
    """A pair of keys for an object store, of which there are none here."""
    return _NONE


_NONE = Said(success=False, message="this server hands out no proxies and keys: use a token")


async def _heard(asked: Asked, act: Callable[[Session, str], Any]) -> Said:
    """Note that the instance is alive and do what it asks, in one transaction."""
    name, details = _name(asked), asked.get("data")
    if details is not None and not isinstance(details, dict):
        raise wrong("data", details, "an object")

    def write() -> None:
        with asked.parts.books.write() as session:
            kept.hear(session, name, asked.actor.subject, details)
            act(session, name)

    await run_in_threadpool(write)
    return Said()


def _name(asked: Asked) -> str:
    name = asked.text("harvester_id")
    if len(name) > 50 or not name.isprintable():
        raise wrong("harvester_id", name, "the name of an instance, at most 50 characters")
    return name


def _read(asked: Asked, look: Callable[[Session], Any]) -> Any:
    with asked.parts.books.read() as session:
        return look(session)


def _objects(asked: Asked, name: str) -> list[dict[str, Any]]:
    value = asked.get(name)
    good = isinstance(value, list) and all(isinstance(each, dict) for each in value)
    if not good or len(value) > _MOST or len(json.dumps(value)) > _LONGEST * _MOST:
        raise wrong(name, value, f"a list of at most {_MOST} objects")
    found: list[dict[str, Any]] = value
    return found


def _worker(told: dict[str, Any]) -> kept.WorkerNews:
    number, queue = told.get("workerID"), told.get("computingSite")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**62:
        raise wrong("workers[].workerID", number, "a whole number")
    if not isinstance(queue, str) or not isinstance(told.get("status"), str):
        raise wrong("workers[]", queue, "a computingSite and a status")
    text = json.dumps(told).replace("\\u0000", " ")
    if len(text) > _LONGEST:
        raise wrong("workers[]", f"{len(text)} bytes", f"at most {_LONGEST} bytes a worker")
    return kept.WorkerNews(
        worker_id=number, queue=_clean(queue)[:63], status=_clean(told["status"])[:32],
        details=json.loads(text),
    )  # fmt: skip


def _clean(text: str) -> str:
    """Without zero bytes, which no database keeps."""
    return text.replace("\\u0000", " ").replace("\0", " ")[:_LONGEST]
