"""What a picture of a workflow waits on: its rows, looked at when there is news. No Prefect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from sqlalchemy import select
from sqlmodel import Session

from culm.wire.workflow_runs import WorkflowView
from cwl.plan import Plan, plan_from_json
from flows.workplace import Workplace
from tasks.lifecycles import STEP as STEPS
from tasks.statuses import StepStatus
from tasks.store.tables import STEP, WORKFLOW_PLAN
from tasks.store.topics import Topic
from tasks.views.workflows import workflow_view
from tasks.workflows.graph import declared_path, graph_of

T = TypeVar("T")
SWEEP_SECONDS = 30.0
MOST_NODES = 200
"""A picture has no more: Prefect's server needs half a minute for a thousand."""


@dataclass(frozen=True, slots=True)
class Seen:
    """An instance of a step as it was last seen."""

    status: str
    reason: str
    task_id: int | None

    @property
    def ended(self) -> bool:
        """Whether it has come to an end."""
        return StepStatus(self.status) in STEPS.final


@dataclass(slots=True)
class Watch:
    """One watcher for all waits of one picture. `left` is how many nodes it may still get."""

    place: Workplace
    workflow_id: int
    plan: Plan
    view: WorkflowView
    rows: dict[str, Seen] = field(default_factory=dict)
    left: int = MOST_NODES
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _takers: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for edge in graph_of(self.plan).edges.values():
            if not edge.again:
                self._takers.setdefault(edge.parent, set()).add(edge.child)

    async def run(self) -> None:
        """Look at the rows whenever there is news, until the workflow has ended."""
        while not self.view.final:
            mark = self.place.waker.mark()
            await asyncio.to_thread(self._look)
            async with self._changed:
                self._changed.notify_all()
            if not self.view.final:
                await self.place.waker.wait_async((Topic.WORKFLOW_CHANGED,), SWEEP_SECONDS, mark)

    async def until(self, found: Callable[[], T | None]) -> T:
        """What `found` gives, once it gives anything."""
        async with self._changed:
            while (value := found()) is None:
                await self._changed.wait()
            return value

    def is_over(self, path: str) -> bool:
        """Whether nothing more starts below a path: what takes from it has started."""
        return self.view.final or bool(self._after(declared_path(path)) & self._started())

    def numbers(self, path: str, sign: str) -> set[int]:
        """The branches (`[`) or iterations (`#`) of a path that have an instance."""
        head = f"{path}{sign}"
        rests = (name[len(head) :] for name in self.rows if name.startswith(head))
        return {int("".join(_digits(rest))) for rest in rests}

    def _after(self, declared: str) -> set[str]:
        inside = [p for p in self._takers if p == declared or p.startswith(f"{declared}/")]
        found = set[str]().union(*(self._takers[path] for path in inside))
        return {path for path in found if not path.startswith(f"{declared}/")}

    def _started(self) -> set[str]:
        return {declared_path(path) for path in self.rows}

    def _look(self) -> None:
        with self.place.books.read() as session:
            self.rows = _rows(session, self.workflow_id)
            self.view = workflow_view(session, self.workflow_id)


def _digits(text: str) -> list[str]:
    found = []
    for letter in text:
        if not letter.isdecimal():
            break
        found.append(letter)
    return found


def open_watch(place: Workplace, workflow_id: int) -> Watch:
    """A watch of a workflow.

    Raises:
        NotFound: there is no such workflow.
    """
    with place.books.read() as session:
        view = workflow_view(session, workflow_id)
        plan = session.connection().execute(
            select(WORKFLOW_PLAN.c.plan).where(WORKFLOW_PLAN.c.workflow_id == workflow_id)
        ).scalar_one()  # fmt: skip
        watch = Watch(place, workflow_id, plan_from_json(plan), view)
        watch.rows = _rows(session, workflow_id)
    return watch


def _rows(session: Session, workflow_id: int) -> dict[str, Seen]:
    rows = session.connection().execute(
        select(STEP.c.path, STEP.c.status, STEP.c.reason, STEP.c.task_id)
        .where(STEP.c.workflow_id == workflow_id)
    )  # fmt: skip
    return {row.path: Seen(row.status, row.reason, row.task_id) for row in rows}
