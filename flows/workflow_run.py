"""A workflow as one Prefect flow run: its graph is the workflow, its steps wait for their tasks.

Scatter branches, sub-workflows and iterations are sub-flows. It holds no state and moves nothing:
the books do, whether anybody draws them or not. Begun again, it comes to where it was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

from prefect import State, allow_failure, flow, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Failed

from culm.core.errors import WaitTimedOut
from culm.core.ids import new_key
from culm.wire.codec import decode
from culm.wire.workflow_runs import WorkflowSubmission, WorkflowView
from cwl.plan import MAIN, Kind, Step
from cwl.service import check
from flows.flow_options import OPTIONS
from flows.workflow_watch import Watch, open_watch
from flows.workplace import Workplace, our_workplace
from tasks.share_rights import ShareRights
from tasks.stages.workflow_submit import Planned, submit_workflow

_WATCH: ContextVar[Watch] = ContextVar("culm_watch")
_PLACE: ContextVar[Workplace | None] = ContextVar("culm_place", default=None)
Over = Callable[[], bool]


def _run_workflow_name() -> str:
    return f"run_workflow {_name_of(flow_run.parameters.get('workflow'))}"


def _name_of(workflow: Any) -> str:
    if isinstance(workflow, dict):
        return str(workflow.get("bundle", {}).get("name", ""))
    return workflow.bundle.name if isinstance(workflow, WorkflowSubmission) else str(workflow)


# Validation is ours: it names every fault of a submission at once.
@flow(name="run_workflow", flow_run_name=_run_workflow_name, validate_parameters=False, **OPTIONS)
async def run_workflow(
    workflow: int | dict[str, Any] | WorkflowSubmission,
    user: str = "",
    key: str | None = None,
    timeout_seconds: float | None = None,
) -> WorkflowView:
    """Submit a workflow (or take the one of this number) and follow it to its end.

    Gives the workflow as it ended, well or badly. The same `key` gives the same workflow: by
    default a flow run that Prefect tries again finds that of its first try.

    Raises:
        InvalidRequest: the documents have faults.
        WaitTimedOut: it was still going on after `timeout_seconds`.
    """
    place = our_workplace()
    if not isinstance(workflow, int):
        workflow = await asyncio.to_thread(_submitted, place, workflow, user, key)
    watch = await asyncio.to_thread(open_watch, place, workflow)
    end = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    try:
        async with asyncio.timeout(None if end is None else end - time.monotonic()):
            await _drawn(watch)
    except TimeoutError:
        words = f"workflow {workflow}: {watch.view.status} after {timeout_seconds} s"
        raise WaitTimedOut(words) from None
    return watch.view


@flow(name="workflow_picture", flow_run_name="workflow {workflow_id} {name}", **OPTIONS)
async def workflow_picture(workflow_id: int, name: str) -> State:
    """The picture of a workflow that `culm daemon` keeps; its state is the workflow's end."""
    del name
    place = _PLACE.get() or our_workplace()
    watch = await asyncio.to_thread(open_watch, place, workflow_id)
    await _drawn(watch)
    words = watch.view.reason or watch.view.status
    ends = {"done": Completed, "finished": Completed, "aborted": Cancelled}
    return ends.get(watch.view.status, Failed)(message=words)


async def draw(place: Workplace, workflow_id: int, name: str) -> None:
    """Keep the picture of a workflow until it ends, in this process."""
    _PLACE.set(place)
    await workflow_picture(workflow_id, name, return_state=True)


def _submitted(
    place: Workplace, given: dict[str, Any] | WorkflowSubmission, user: str, key: str | None
) -> int:
    wanted = given if isinstance(given, WorkflowSubmission) else decode(
        WorkflowSubmission, given, "workflow"
    )  # fmt: skip
    root = flow_run.root_flow_run_id
    key = key or (f"flow:{root}" if root else new_key())
    found = check(wanted.bundle)
    # Who runs flows in our own environment is trusted, as with run_task.
    planned = Planned(submission=wanted, plan=found.plan, inputs=found.inputs,
                      rights=ShareRights(may_claim=True))  # fmt: skip
    return submit_workflow(place.books, planned, user, key).workflow_id


async def _drawn(watch: Watch) -> None:
    _WATCH.set(watch)
    watching = asyncio.create_task(watch.run())
    try:
        await _scope(MAIN, "", lambda: watch.view.final)
        await watching
    finally:
        watching.cancel()


async def _scope(workflow: str, prefix: str, over: Over) -> None:
    """The steps of a workflow, each after those that it takes from."""
    states: dict[str, asyncio.Task[list[State]]] = {}
    for step in _WATCH.get().plan.workflows[workflow].steps:
        sources = [source for given in step.inputs for source in given.link.sources]
        owners = dict.fromkeys(source.rpartition("/")[0] for source in sources)
        parents = [states[owner] for owner in owners if owner in states]
        states[step.name] = asyncio.create_task(_step(step, f"{prefix}{step.name}", parents, over))
    await asyncio.gather(*states.values())


async def _step(
    step: Step, path: str, parents: list[asyncio.Task[list[State]]], over: Over
) -> list[State]:
    """The states of a step's runs, once they have ended."""
    before = [allow_failure(state) for some in await asyncio.gather(*parents) for state in some]
    watch = _WATCH.get()
    watch.left -= 1
    if step.kind is not Kind.WORKFLOW and step.scatter is None and step.loop is None:
        return [await _run_leaf(step.name, path, over, before)]

    def is_over() -> bool:
        return over() or watch.is_over(path)

    return [await _run_part(path, lambda: _parts(path, step, is_over), before)]


async def _parts(path: str, step: Step, over: Over) -> None:
    """A sub-workflow, a scattered step or a loop: its branches side by side."""
    if step.scatter is None:
        await _unit(path, step, over)
    else:
        await _each(path, "[", over, lambda one, end: _unit(one, step, end))


async def _unit(path: str, step: Step, over: Over) -> None:
    """One branch: what it runs, or its iterations."""
    if step.loop is None:
        await _inside(path, step, over)
    else:
        await _each(path, "#", over, lambda one, end: _inside(one, step, end))


async def _inside(path: str, step: Step, over: Over) -> None:
    if step.kind is Kind.WORKFLOW:
        await _scope(step.runs, f"{path}/", over)
    else:
        await _run_leaf(step.name, path, over, [])


async def _each(
    path: str, sign: str, over: Over, body: Callable[[str, Over], Awaitable[None]]
) -> None:
    """Each branch or iteration as it comes, in a sub-flow; beyond the most nodes, together."""
    watch = _WATCH.get()
    begun: set[int] = set()
    running: list[asyncio.Task[State]] = []

    def fresh() -> set[int] | None:
        return (watch.numbers(path, sign) - begun) or (set() if over() else None)

    while numbers := await watch.until(fresh):
        begun |= numbers
        for number in sorted(numbers)[: max(0, watch.left)]:
            watch.left -= 1
            name = f"{path}[{number}]" if sign == "[" else f"{path}#{number}"
            # An iteration is over when the next one begins; branches go on side by side.
            end = over if sign == "[" else _until_after(number, path, over)
            inside = partial(body, name, end)
            running.append(asyncio.create_task(_run_part(name, inside, [])))
    await asyncio.gather(*running)
    if len(begun) > len(running):
        words = f"{path} and {len(begun) - len(running)} more"
        await _run_part(words, lambda: watch.until(lambda: over() or None), [])


def _until_after(number: int, path: str, over: Over) -> Over:
    return lambda: over() or max(_WATCH.get().numbers(path, "#")) > number


_BODY: ContextVar[Callable[[], Awaitable[Any]]] = ContextVar("culm_part")
"""What a sub-flow or a step does: no JSON parameter could carry it."""


async def _run_part(path: str, body: Callable[[], Awaitable[Any]], before: list[Any]) -> State:
    _BODY.set(body)
    call: Any = _part
    state: State = await call(path, wait_for=before, return_state=True)
    return state


@flow(name="part", flow_run_name="{path}", **OPTIONS)
async def _part(path: str) -> None:
    """A sub-workflow, a branch, an iteration."""
    del path
    await _BODY.get()()


async def _run_leaf(name: str, path: str, over: Over, before: list[Any]) -> State:
    _BODY.set(partial(_ended, _WATCH.get(), path, over))
    call: Any = _leaf.with_options(name=name)
    state: State = await call(path, wait_for=before, return_state=True)
    return state


@task(task_run_name="{path}", cache_policy=NO_CACHE, persist_result=False)
async def _leaf(path: str) -> Any:
    """A step: it runs as long as its task does."""
    del path
    return await _BODY.get()()


async def _ended(watch: Watch, path: str, over: Over) -> State:
    """The end of a step, with the reason that its row gives."""

    def end() -> str | None:
        seen = watch.rows.get(path)
        if seen is not None and (seen.ended or watch.view.final):
            return seen.status
        return "" if seen is None and over() else None

    status = await watch.until(end)
    if not status:
        return Completed(name="Skipped", message="it was not to run")
    seen = watch.rows[path]
    if status in ("done", "finished"):
        return Completed(message=f"task {seen.task_id} is {status}")
    return Failed(message=seen.reason or status)
