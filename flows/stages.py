"""The stages as Prefect flows.

In `culm daemon` a run of one is a shift of its agent. Called with ids (`await refine([10000001])`)
it works on just these tasks and returns the outcomes; without ids, as the deployments in
prefect.yaml do, until nothing is ready, or for so many minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from prefect import flow

from culm.wire.codec import encode
from flows.duty import DUTY
from flows.flow_options import OPTIONS
from flows.prefect_recorder import PrefectRecorder
from flows.run_names import stage_run_name
from flows.shift import Hours, Shift
from flows.stage_agent import StageAgent
from flows.workplace import our_workplace
from tasks.stages import STAGES
from tasks.stages.stage import Outcome

Outcomes = list[dict[str, Any]]
_MANY_MINUTES = 24 * 60.0
_OPTIONS = {"flow_run_name": stage_run_name, **OPTIONS}


@flow(name="refine", **_OPTIONS)
async def refine(task_ids: list[int] | None = None, minutes: float | None = None) -> Outcomes:
    """Specifications become tasks, datasets and a split rule; wrong ones are named and broken."""
    return await _serve("refine", task_ids, minutes)


@flow(name="feed", **_OPTIONS)
async def feed(task_ids: list[int] | None = None, minutes: float | None = None) -> Outcomes:
    """Contents of input datasets become file rows."""
    return await _serve("feed", task_ids, minutes)


@flow(name="assign", **_OPTIONS)
async def assign(task_ids: list[int] | None = None, minutes: float | None = None) -> Outcomes:
    """Where output is gathered, its storage is chosen."""
    return await _serve("assign", task_ids, minutes)


@flow(name="steer", **_OPTIONS)
async def steer(task_ids: list[int] | None = None, minutes: float | None = None) -> Outcomes:
    """Searches get new points when they are due, and end when nothing is left to try."""
    return await _serve("steer", task_ids, minutes)


@flow(name="generate", **_OPTIONS)
async def generate(task_ids: list[int] | None = None, minutes: float | None = None) -> Outcomes:
    """Files become jobs at the queues that rank best."""
    return await _serve("generate", task_ids, minutes)


@flow(name="collect", **_OPTIONS)
async def collect(task_ids: list[int] | None = None, minutes: float | None = None) -> Outcomes:
    """Final reports of jobs settle their files."""
    return await _serve("collect", task_ids, minutes)


@flow(name="scout", **_OPTIONS)
async def scout(task_ids: list[int] | None = None, minutes: float | None = None) -> Outcomes:
    """What a task's first jobs measured sets what the rest asks for."""
    return await _serve("scout", task_ids, minutes)


@flow(name="merge", **_OPTIONS)
async def merge(task_ids: list[int] | None = None, minutes: float | None = None) -> Outcomes:
    """Outputs that wait to be merged become merge jobs."""
    return await _serve("merge", task_ids, minutes)


@flow(name="post_process", **_OPTIONS)
async def post_process(task_ids: list[int] | None = None, minutes: float | None = None) -> Outcomes:
    """Tasks with nothing left are closed."""
    return await _serve("post_process", task_ids, minutes)


@flow(name="retry", **_OPTIONS)
async def retry(task_ids: list[int] | None = None, minutes: float | None = None) -> Outcomes:
    """Input that did not succeed goes back for another round."""
    return await _serve("retry", task_ids, minutes)


@flow(name="command", **_OPTIONS)
async def command(task_ids: list[int] | None = None, minutes: float | None = None) -> Outcomes:
    """Commands that people gave are carried out."""
    return await _serve("command", task_ids, minutes)


@flow(name="workflow", **_OPTIONS)
async def workflow(workflow_ids: list[int] | None = None, minutes: float | None = None) -> Outcomes:
    """What tasks of workflows came to is taken up, and the next steps start."""
    return await _serve("workflow", workflow_ids, minutes)


STAGE_FLOWS = {
    each.name: each
    for each in (
        refine,
        feed,
        assign,
        generate,
        collect,
        scout,
        merge,
        steer,
        post_process,
        retry,
        command,
        workflow,
    )
}


async def _serve(name: str, task_ids: Sequence[int] | None, minutes: float | None) -> Outcomes:
    duty = DUTY.get()
    if duty is not None:
        await duty.body()
        return []
    place = our_workplace()
    done: list[Outcome] = []
    agent = StageAgent(
        STAGES[name], place.books, place.waker, place.owner,
        task_ids=task_ids, on_outcome=done.append if task_ids is not None else None,
    )  # fmt: skip
    hours = Hours(minutes=minutes or _MANY_MINUTES, until_idle=minutes is None)
    shift = Shift(agent, PrefectRecorder(), asyncio.Semaphore(place.at_once), hours)
    tally = await shift.run()
    if task_ids is not None and tally.last_error is not None:
        raise tally.last_error
    return [encode(outcome) for outcome in done] + _not_ready(name, task_ids or (), done)


def _not_ready(name: str, asked: Sequence[int], done: Sequence[Outcome]) -> Outcomes:
    missing = set(asked) - {outcome.task_id for outcome in done}
    words = f"not ready for {name}, or another agent has it"
    return [encode(Outcome(task_id=i, message=words)) for i in sorted(missing)]
