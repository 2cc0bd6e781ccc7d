"""Walks over plans, kept between looks: each is told only what is new, and made again if lost."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Pool, select
from sqlmodel import Session

from cwl.expressions import Question, answers
from cwl.javascript import run_scripts
from cwl.plan import Plan, Step, plan_from_json
from cwl.walk import Run, Walk
from tasks.store.books import Books
from tasks.store.tables import WORKFLOW_PLAN

KEPT = 32
Key = tuple[int, int]
"""The workflow, and its round: a retry begins a new walk."""


class Shelf:
    """Walks that nobody uses now. Who takes one has it alone, and puts it back if all went well."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Walk] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: Key) -> Walk | None:
        """The walk of a workflow's round, if it is here; it is gone from here."""
        with self._lock:
            return self._kept.pop(key, None)

    def put(self, key: Key, walk: Walk) -> None:
        """Keep a walk; the ones that were used last are kept."""
        with self._lock:
            self._kept[key] = walk
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)


_shelves: WeakKeyDictionary[Pool, Shelf] = WeakKeyDictionary()
_lock = threading.Lock()


def shelf_of(books: Books) -> Shelf:
    """The walks that this process keeps of the workflows in these books."""
    with _lock:
        return _shelves.setdefault(books.engine.pool, Shelf())


def new_walk(session: Session, workflow_id: int, name: str, round_: int) -> Walk:
    """The walk over the plan of a workflow, from its beginning.

    In each round after the first a loop may run as often again as in one.
    """
    row = session.connection().execute(
        select(WORKFLOW_PLAN.c.plan, WORKFLOW_PLAN.c.inputs)
        .where(WORKFLOW_PLAN.c.workflow_id == workflow_id)
    ).one()  # fmt: skip
    plan = _with_patience(plan_from_json(row.plan), round_)
    return Walk(plan, Run(inputs=row.inputs, name=name), answered)


def answered(questions: Sequence[Question]) -> list[Any]:
    """The values of expressions; JavaScript runs in a process of its own."""
    return answers(questions, run_scripts)


def _with_patience(plan: Plan, times: int) -> Plan:
    workflows = {
        name: replace(flow, steps=tuple(_patient(step, times) for step in flow.steps))
        for name, flow in plan.workflows.items()
    }
    return replace(plan, workflows=workflows) if times > 1 else plan


def _patient(step: Step, times: int) -> Step:
    if step.loop is None:
        return step
    longer = replace(step.loop, max_iterations=step.loop.max_iterations * times)
    return replace(step, loop=longer)
