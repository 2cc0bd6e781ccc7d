"""Workflow: what its tasks came to is told to the walk over its plan, and what starts is submitted.

It is read, thought about outside of any transaction (expressions may take their time), and then
written in one: the ends of steps, the new tasks with their rows, and how much news was seen. So
an agent that dies in between has done nothing, and none that follows makes a task twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import literal, select, text, update
from sqlmodel import Session

from cwl.computing import computed
from cwl.outcomes import Start
from cwl.plan import Kind
from cwl.walk import Walk
from tasks.lifecycles import WORKFLOW as MACHINE
from tasks.lifecycles import WorkflowEvent
from tasks.share_rights import ShareRights
from tasks.stages.stage import Claim, LeasedWork, Outcome
from tasks.statuses import WorkflowStatus
from tasks.store.books import Books, wake
from tasks.store.bulk import id_in
from tasks.store.keeping import kept
from tasks.store.locks import release, renew
from tasks.store.moves import Why, move_workflows
from tasks.store.tables import WORKFLOW
from tasks.store.topics import Topic
from tasks.tables.columns import db_now
from tasks.tables.workflow import DUE
from tasks.workflows.computed import write_computed
from tasks.workflows.junctions import take_decisions
from tasks.workflows.orders import Owner
from tasks.workflows.rows import StepRow, ended_tasks, step_rows, task_names, what_jobs_left
from tasks.workflows.starts import Crew, Specified, specify, start_steps
from tasks.workflows.tools import take_results
from tasks.workflows.verdicts import verdict_of
from tasks.workflows.walks import answered, new_walk, shelf_of
from tasks.workflows.writing import leave_out, write_ends

STARTS_A_TRANSACTION = 2000
_ADVANCES = frozenset({WorkflowStatus.REGISTERED, WorkflowStatus.RUNNING})


@dataclass(slots=True)
class _Look:
    """What one look at a workflow found. `row` is its row as it was then."""

    row: Any
    steps: list[StepRow]
    walk: Walk
    key: tuple[int, int]
    computed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What steps that start now give at once, by the names of instances."""
    n_ended: int = 0
    n_started: int = 0
    n_refused: int = 0

    @property
    def advances(self) -> bool:
        """Whether steps may start: one that is to end or to wait starts none."""
        return self.row.status in _ADVANCES


@dataclass(frozen=True, slots=True)
class _Batch:
    """Starts of one transaction: those that were computed, and those that become tasks."""

    crew: Crew
    at_once: Sequence[Start]
    specified: Specified


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowStage(LeasedWork):
    """The stage that moves workflows on."""

    def work(self, books: Books, claim: Claim, owner: str) -> Outcome:
        """Take up what is new of one workflow; gives the lease back.

        Raises:
            LeaseLost: the lease is another's by now; nothing more was written.
        """
        actor = f"{self.name}@{owner}"
        # JavaScript may take a minute, that of tools another.
        with kept(books, claim.lease, owner, self.lease_seconds):
            look = _look(books, claim.task_id)
            starts, crew = _advance(look), _crew(look)
            look.computed = computed(look.walk.plan, starts, answered)
        while True:
            batch, starts = starts[:STARTS_A_TRANSACTION], starts[STARTS_A_TRANSACTION:]
            at_once = [start for start in batch if start.id in look.computed]
            specified = specify(crew, [start for start in batch if start.id not in look.computed])
            with books.write() as session:
                renew(session, [claim.lease], owner, self.lease_seconds)
                moved_on = not _is_as_it_was(session, look)
                if not moved_on:
                    _write(
                        session, look, _Batch(crew, at_once, specified), actor, is_last=not starts
                    )
                if moved_on or not starts:
                    release(session, [claim.lease], owner)
            if moved_on:
                return Outcome(claim.task_id, "the workflow has moved on", n_done=1)
            if not starts:
                break
        if look.row.status != WorkflowStatus.FINISHING:
            shelf_of(books).put(look.key, look.walk)
        words = f"{look.n_ended} steps ended, {look.n_started} started, {look.n_refused} refused"
        return Outcome(claim.task_id, words, n_done=1)


def _look(books: Books, workflow_id: int) -> _Look:
    with books.read() as session:
        row = session.connection().execute(
            select(WORKFLOW).where(WORKFLOW.c.id == workflow_id)
        ).one()  # fmt: skip
        key = (row.id, row.round)
        walk = shelf_of(books).take(key) or new_walk(session, row.id, row.name, row.round)
        steps = step_rows(session, workflow_id)
        at_work = [step for step in steps if step.is_at_work]
        ends = ended_tasks(session, at_work)
        for step in at_work:
            if step.task_id in ends:
                step.take(*ends[step.task_id])
        junctions = [step for step in at_work if step.kind == Kind.JUNCTION and step.event]
        tools = [step for step in at_work if step.kind == Kind.TOOL and step.event]
        ids = [step.task_id for step in (*junctions, *tools) if step.task_id is not None]
        left = what_jobs_left(session, ids)
        take_decisions(walk.plan, junctions, left)
        take_results(tools, left, task_names(session, tools))
    return _Look(row, steps, walk, key)


def _advance(look: _Look) -> Sequence[Start]:
    """What starts now. A walk of a workflow that waits is not moved: it gives each start once."""
    if not look.advances and look.row.status != WorkflowStatus.FINISHING:
        return ()
    outcomes = {step.instance: step.outcome() for step in look.steps}
    starts = look.walk.advance({name: one for name, one in outcomes.items() if one is not None})
    return starts if look.advances else ()


def _crew(look: _Look) -> Crew:
    row = look.row
    rights = ShareRights(may_claim=row.may_claim, vo=row.vo, groups=tuple(row.production_groups))
    return Crew(
        workflow_id=row.id, steps={step.instance: step for step in look.steps},
        owner=Owner(user=row.user_name, workflow=row.name, sandbox=row.sandbox,
                    rights=rights, plan=look.walk.plan),
    )  # fmt: skip


def _is_as_it_was(session: Session, look: _Look) -> bool:
    """Whether no command changed the workflow since the look; from here on none does."""
    held = session.connection().execute(
        select(WORKFLOW.c.status, WORKFLOW.c.round)
        .where(WORKFLOW.c.id == look.row.id).with_for_update()
    ).one()  # fmt: skip
    started = look.row.status == WorkflowStatus.REGISTERED and held.status == WorkflowStatus.RUNNING
    return bool(held.round == look.row.round and (held.status == look.row.status or started))


def _write(session: Session, look: _Look, batch: _Batch, actor: str, *, is_last: bool) -> None:
    row = look.row
    move_workflows(session, [row.id], WorkflowEvent.STARTED, Why(actor), started_at=db_now())
    look.n_ended += write_ends(session, look.steps, actor)
    write_computed(session, batch.crew, batch.at_once, look.computed, actor)
    started = start_steps(session, batch.crew, batch.specified, actor)
    look.n_started += started.n_tasks + len(batch.at_once)
    look.n_refused += started.n_refused
    # Those that ended as they started are news: the walk goes on from there.
    goes_on = bool(started.n_refused or batch.at_once)
    news = {"news": WORKFLOW.c.news + 1} if goes_on else {}
    if is_last:
        news["news_seen"] = literal(row.news)
    session.connection().execute(
        update(WORKFLOW).where(WORKFLOW.c.id == row.id)
        .values(version=WORKFLOW.c.version + 1, **news)
    )  # fmt: skip
    wake(session, Topic.WORKFLOW_CHANGED, *[Topic.WORKFLOW_DUE] * goes_on)
    if is_last and not (started.n_tasks or goes_on):
        _end(session, look, actor)


def _end(session: Session, look: _Look, actor: str) -> None:
    """Give the workflow its end, if it has come to one."""
    end = verdict_of(WorkflowStatus(look.row.status), look.steps, look.walk)
    if end is not None:
        move_workflows(session, [look.row.id], end.event, Why(actor, end.reason),
                       outputs=end.outputs)  # fmt: skip
        leave_out(session, look.steps, actor)


def _candidates(
    session: Session, limit: int, workflow_ids: Sequence[int] | None
) -> list[tuple[int, str]]:
    alive = WORKFLOW.c.status.not_in([str(status) for status in MACHINE.final])
    query = select(WORKFLOW.c.id, WORKFLOW.c.name).where(text(DUE), alive)
    if workflow_ids is not None:
        query = query.where(id_in(WORKFLOW.c.id, workflow_ids, session))
    rows = session.connection().execute(query.order_by(WORKFLOW.c.id).limit(limit))
    return [(row.id, row.name) for row in rows]


STAGE = WorkflowStage(
    name="workflow",
    topics=(Topic.WORKFLOW_DUE,),
    candidates=_candidates,
    # Steps of a wide workflow end one by one, and each look reads all of them.
    gather_seconds=0.05,
    rests=2.0,
)
