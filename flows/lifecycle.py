"""Tasks from submission to end, as flows to be used inside a user's own Prefect flow."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from prefect import flow
from prefect.runtime import flow_run

from culm.core.errors import WaitTimedOut
from culm.core.ids import new_key
from culm.wire.codec import decode
from culm.wire.task_spec import TaskSpec
from culm.wire.views import TaskView
from flows.flow_options import OPTIONS
from flows.workplace import Workplace, our_workplace
from tasks.stages.submit import submit
from tasks.store.topics import Topic
from tasks.views.tasks import task_view

SWEEP_SECONDS = 30.0


def _run_task_name() -> str:
    spec = flow_run.parameters.get("spec")
    name = spec.get("name") if isinstance(spec, dict) else getattr(spec, "name", "")
    return f"run_task {name}"


# Validation is ours: it names every fault of a specification at once.
@flow(name="run_task", flow_run_name=_run_task_name, validate_parameters=False, **OPTIONS)
async def run_task(
    spec: dict[str, Any] | TaskSpec,
    user: str,
    key: str | None = None,
    timeout_seconds: float | None = None,
) -> TaskView:
    """Submit a task and wait for its end; gives the task as it ended, well or badly.

    The same `key` gives the same task: by default a flow run that Prefect tries again finds the
    task of its first try instead of submitting another.

    Raises:
        InvalidRequest: the specification has faults.
        WaitTimedOut: the task was still going on after `timeout_seconds`.
    """
    place = our_workplace()
    task = spec if isinstance(spec, TaskSpec) else decode(TaskSpec, spec, "task")
    key = key or _key_of_this_run(user, task.name)
    accepted = await asyncio.to_thread(submit, place.books, task, user, key)
    return await _until_final(place, accepted.task_id, timeout_seconds)


@flow(name="wait_for_task", flow_run_name="wait_for_task {task_id}", **OPTIONS)
async def wait_for_task(task_id: int, timeout_seconds: float | None = None) -> TaskView:
    """The task as it ended, once it has.

    Raises:
        NotFound: there is no such task.
        WaitTimedOut: the task was still going on after `timeout_seconds`.
    """
    return await _until_final(our_workplace(), task_id, timeout_seconds)


def _key_of_this_run(user: str, name: str) -> str:
    root = flow_run.root_flow_run_id
    return f"flow:{root}:{user}:{name}" if root else new_key()


async def _until_final(place: Workplace, task_id: int, timeout_seconds: float | None) -> TaskView:
    end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    while True:
        mark = place.waker.mark()
        task = await asyncio.to_thread(_look, place, task_id)
        if task.final:
            return task
        left = SWEEP_SECONDS if end is None else min(SWEEP_SECONDS, end - time.monotonic())
        if left <= 0:
            raise WaitTimedOut(f"task {task_id}: {task.status} after {timeout_seconds} s")
        await place.waker.wait_async((Topic.TASK_CHANGED,), left, mark)


def _look(place: Workplace, task_id: int) -> TaskView:
    with place.books.read() as session:
        return task_view(session, task_id)
