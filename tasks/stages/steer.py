"""Steer: searches get new points when they are due, and end when there is nothing left to try.

Everything is worked out from the rows: points, losses, jobs. What the built-in samplers propose
is asked before the transaction (optuna takes its time) and written only if the rows are still
those that it was asked about.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlmodel import Session

from culm.wire.search import VERY_LARGE_LOSS, Sampler, SearchSpec
from tasks.lifecycles import TaskEvent
from tasks.searches.asking import ask
from tasks.searches.rounds import JobsSoFar, Progress, is_used_up, n_new_jobs, n_new_points
from tasks.specs import spec_of
from tasks.stages.ending import roll_up
from tasks.stages.search_rows import (
    Round,
    add_points,
    add_round,
    jobs_so_far,
    last_rounds,
    progress_of,
    search_row,
    tried_points,
)
from tasks.stages.select import in_status, tasks_where
from tasks.stages.stage import Act, Outcome, Stage
from tasks.statuses import FileStatus, TaskStatus
from tasks.store.books import wake
from tasks.store.moves import Why, move_tasks
from tasks.store.tables import DATASET, FILE, JOB, SEARCH, SEARCH_POINT, TASK
from tasks.store.topics import Topic
from tasks.tables import Task
from tasks.tables.columns import db_now

STEERING_ATTEMPTS = 3
LEASE_SECONDS = 60.0
"""Samplers take a while where there are many points."""
SWEEP_SECONDS = 60.0
"""The sweep behind the versions: a search is looked at so often even without news."""


@dataclass(frozen=True, slots=True)
class _Proposal:
    """New points of a segment, and the progress for which they were asked."""

    progress: Progress
    points: list[dict[str, Any]]


Proposals = Mapping[str, _Proposal]


def propose(session: Session, task_id: int) -> Proposals:
    """What the built-in sampler proposes for each segment that is due; nothing for others."""
    search = _search_of(session, task_id)
    if search is None or search.steering_command is not None:
        return {}
    found = {}
    for segment, progress in progress_of(session, task_id, search).items():
        count = n_new_points(search, progress)
        if count:
            # Segments have seeds of their own, or all of them would try the same places.
            seed = search_row(session, task_id).seed + search.segment_names.index(segment)
            tried = tried_points(session, task_id, segment)
            sampler = search.sampler or Sampler.TPE
            points = ask(search.space_of(segment), sampler, seed, tried, count)
            found[segment] = _Proposal(progress, points)
    return found


def _search_of(session: Session, task_id: int) -> SearchSpec | None:
    return spec_of(session, task_id).search


@dataclass(frozen=True, slots=True)
class _Scene:
    act: Act
    task: Task
    search: SearchSpec
    progress: dict[str, Progress]
    rounds: dict[str, Round]
    jobs: JobsSoFar

    @property
    def due(self) -> list[str]:
        """The segments that need new points now."""
        return [s for s, p in self.progress.items() if n_new_points(self.search, p)]

    def is_stuck(self, segment: str) -> bool:
        """Whether the steering program has failed for good where points are needed."""
        last = self.rounds.get(segment)
        return last is not None and last.status == FileStatus.FAILED


def _act(act: Act) -> Outcome:
    task = act.session.get_one(Task, act.task_id)
    search = _search_of(act.session, task.id)
    if search is None:
        raise RuntimeError(f"task {task.id} is no search")
    _book_large_losses(act)
    scene = _Scene(
        act, task, search, progress_of(act.session, task.id, search),
        last_rounds(act.session, task.id, search), jobs_so_far(act.session, task.id),
    )  # fmt: skip
    outcome = _ended(scene) or _gone_on(scene)
    _seen(act)
    return outcome


def _gone_on(scene: _Scene) -> Outcome:
    session, task = scene.act.session, scene.task
    proposals: Proposals = scene.act.prepared or {}
    n_points = n_rounds = 0
    again = False
    for segment in scene.due:
        if scene.search.steering_command is not None:
            if not _has_open_round(scene, segment) and not scene.is_stuck(segment):
                add_round(session, task.id, segment, STEERING_ATTEMPTS)
                n_rounds += 1
            continue
        proposal = proposals.get(segment)
        if proposal is None or proposal.progress != scene.progress[segment]:
            again = True  # the books moved on since they were asked about
            continue
        add_points(session, task.id, segment, proposal.points, task.max_attempts)
        n_points += len(proposal.points)
    if n_points or n_rounds or _may_go_on(scene):
        _generate_now(scene.act)
    words = f"{n_points} new points" if not n_rounds else f"{n_rounds} rounds of steering"
    return Outcome(task.id, words, n_done=n_points + n_rounds, again=again)


def _has_open_round(scene: _Scene, segment: str) -> bool:
    last = scene.rounds.get(segment)
    return last is not None and last.status not in (FileStatus.FINISHED, FileStatus.FAILED)


def _may_go_on(scene: _Scene) -> bool:
    """Whether points wait though more jobs may be made."""
    if not n_new_jobs(scene.search, scene.jobs):
        return False
    ready = exists().where(
        DATASET.c.task_id == scene.task.id, DATASET.c.is_primary,
        FILE.c.dataset_id == DATASET.c.id, FILE.c.status == str(FileStatus.READY),
    )  # fmt: skip
    return bool(scene.act.session.connection().execute(select(ready)).scalar())


def _generate_now(act: Act) -> None:
    act.session.connection().execute(
        update(TASK).where(TASK.c.id == act.task_id)
        .values(next_look_at=db_now(), version=TASK.c.version + 1)
    )  # fmt: skip
    wake(act.session, Topic.TASK_READY, Topic.TASK_CHANGED)


def _ended(scene: _Scene) -> Outcome | None:
    """The end of a search that has nothing left to try; None if it goes on."""
    problem = _problem(scene)
    if problem is None:
        return None
    act, why = scene.act, Why(scene.act.actor, problem)
    act.session.connection().execute(
        update(SEARCH).where(SEARCH.c.task_id == act.task_id).values(problem=problem)
    )
    if problem:
        # Not `failed`, from which there is no way back: what is missing can be tried again.
        move_tasks(act.session, [act.task_id], TaskEvent.FINISH_REQUESTED, why)
        return Outcome(act.task_id, problem, n_done=1)
    act.session.connection().execute(
        update(TASK).where(TASK.c.id == act.task_id).values(input_open=False)
    )
    roll_up(act.session, act.task_id, why)
    return Outcome(act.task_id, "every point is evaluated", n_done=1)


def _problem(scene: _Scene) -> str | None:
    """Why the search ends now: empty if all is well, None if it does not end."""
    progress = scene.progress.values()
    n_evaluated, n_most = sum(p.n_evaluated for p in progress), sum(p.most_points for p in progress)
    if n_evaluated >= n_most:
        return _hopeless(scene)
    if is_used_up(scene.search, scene.jobs):
        return (
            f"all {scene.search.most_jobs} evaluation jobs (maxEvaluationJobs) are used up, "
            f"{n_evaluated} of {n_most} points are evaluated"
        )
    stuck = [s for s in scene.due if scene.is_stuck(s)]
    others = (p for s, p in scene.progress.items() if s not in stuck and not p.is_complete)
    waiting = (scene.progress[s].n_points - scene.progress[s].n_evaluated for s in stuck)
    if stuck and not any(others) and not any(waiting):
        return _steering_failed(scene, stuck[0])
    return None


def _hopeless(scene: _Scene) -> str:
    c = SEARCH_POINT.c
    rows = scene.act.session.connection().execute(
        select(c.point_nr, c.segment, JOB.c.id, JOB.c.server_error_diag, JOB.c.pilot_error_diag,
               c.message)
        .join(FILE, FILE.c.id == c.file_id).outerjoin(JOB, JOB.c.id == FILE.c.job_id)
        .where(c.task_id == scene.task.id, c.is_hopeless).order_by(c.point_nr)
    ).all()  # fmt: skip
    if not rows:
        return ""
    last = rows[-1]
    diag = last.server_error_diag or last.pilot_error_diag or last.message
    total = sum(p.n_points for p in scene.progress.values())
    return (
        f"{len(rows)} of {total} points could not be evaluated in {scene.task.max_attempts} tries "
        f"each and got a very large loss; last job {last.id}: {diag}"
    )


def _steering_failed(scene: _Scene, segment: str) -> str:
    job_id = scene.rounds[segment].job_id
    row = scene.act.session.connection().execute(
        select(JOB.c.server_error_diag, JOB.c.pilot_error_diag).where(JOB.c.id == job_id)
    ).first()  # fmt: skip
    diag = (row.server_error_diag or row.pilot_error_diag) if row else ""
    where = f" for segment {segment}" if segment else ""
    return f"steering failed {STEERING_ATTEMPTS} times{where}; last job {job_id}: {diag}"


def _book_large_losses(act: Act) -> None:
    c = SEARCH_POINT.c
    given_up = exists().where(FILE.c.id == c.file_id, FILE.c.status == str(FileStatus.FAILED))
    act.session.connection().execute(
        update(SEARCH_POINT).where(c.task_id == act.task_id, c.loss.is_(None), given_up)
        .values(loss=VERY_LARGE_LOSS, is_hopeless=True, evaluated_at=db_now())
    )  # fmt: skip


def _seen(act: Act) -> None:
    version = select(TASK.c.version).where(TASK.c.id == act.task_id).scalar_subquery()
    act.session.connection().execute(
        update(SEARCH).where(SEARCH.c.task_id == act.task_id)
        .values(seen_version=version, looked_at=db_now())
    )  # fmt: skip


def _due() -> ColumnElement[bool]:
    # From the searches to their tasks: among many tasks there are few searches.
    task = TASK.alias()
    old = SEARCH.c.looked_at <= db_now(-SWEEP_SECONDS)
    news = (
        select(SEARCH.c.task_id).join(task, task.c.id == SEARCH.c.task_id)
        .where(or_(SEARCH.c.seen_version != task.c.version, old))
    )  # fmt: skip
    alive = in_status(TaskStatus.READY, TaskStatus.PENDING, TaskStatus.RUNNING)
    # Without a place for its output it is not fed yet; with its input closed it is over.
    return and_(TASK.c.id.in_(news), alive, TASK.c.input_open, TASK.c.endpoint_id.is_not(None))


STAGE = Stage(
    name="steer",
    topics=(Topic.TASK_READY, Topic.TASK_CHANGED),
    candidates=tasks_where(_due()),
    act=_act,
    lease_seconds=LEASE_SECONDS,
    prepare=propose,
)
