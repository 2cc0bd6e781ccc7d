"""Generate jobs: rank queues, split ready files, write jobs in bulk; files become picked.

Tasks are in partitions, by share and resource type. Those of one partition are generated one at
a time, the highest priority first; partitions go on beside each other, and one that has enough
queued is throttled (panda-docs 14.3). A task that is worth it begins with a few scouts; the scout
stage lets the rest follow.

Jobs are bound just in time: a task makes those that should start soon where they go; its other
files stay ready, and have every choice left (ADR 0008).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlmodel import Session

from broker.values import Ranking
from culm.wire.task_spec import TaskSpec
from tasks.lifecycles import TaskEvent
from tasks.specs import spec_of
from tasks.stages.asking import Needs, asked_now, needs_of, scouting_of, with_needs
from tasks.stages.builds import give_up_unbuilt, nowhere_to_build
from tasks.stages.chunking import Cutting, Work, next_work
from tasks.stages.drafts import Draft, Numbers, Targets, draft
from tasks.stages.ending import is_all_processed, look_at_merges, roll_up
from tasks.stages.place_waits import forget_wait, sleepers, wait_for_place
from tasks.stages.queue_counts import note_sent
from tasks.stages.queue_view import QueueView
from tasks.stages.rank_queues import Brokered, keep_decision, rank_queues
from tasks.stages.retried import Again, try_again
from tasks.stages.run_times import DUE
from tasks.stages.scouts import begin_scouting, is_scouting, scouts_to_come, worth_it
from tasks.stages.search_jobs import datasets_for, in_turn, within_limits
from tasks.stages.select import datasets_of, in_status
from tasks.stages.share_counts import note_generated
from tasks.stages.stage import Act, Outcome, Stage
from tasks.stages.throttle import why_throttled
from tasks.stages.write_jobs import Batch, write_jobs
from tasks.statuses import TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import id_in
from tasks.store.configuration import values
from tasks.store.locks import one_at_a_time
from tasks.store.moves import Why, move_tasks
from tasks.store.tables import DATASET, TASK
from tasks.store.topics import Topic
from tasks.tables import Dataset, Task, TaskScouting
from tasks.tables.columns import db_now
from tasks.thresholds import Timeouts

WAIT_SECONDS = 60.0
"""The sweep behind the wake-ups for a task that waits for more input."""


@dataclass(slots=True)
class _Scene:
    """A task whose jobs are generated now. Brokerage is asked once for each kind of needs."""

    act: Act
    task: Task
    spec: TaskSpec
    datasets: list[Dataset]
    scouting: TaskScouting | None
    asked: dict[Needs, Brokered] = field(default_factory=dict)
    refused: Ranking | None = None
    """What brokerage said where no queue takes what there is to do."""
    taken: Counter[str] = field(default_factory=Counter)
    """Places at each queue that are taken since."""
    n_without_place: int = 0

    def brokered(self, needs: Needs | None = None) -> Brokered:
        """The queues for jobs of these needs, the task's own by default."""
        needs = needs or needs_of(self.task)
        if needs not in self.asked:
            seen = self.task if needs == needs_of(self.task) else with_needs(self.task, needs)
            firm = needs.walltime_is_firm
            self.asked[needs] = rank_queues(self.act.session, seen, self.spec, firm=firm)
            keep_decision(self.act.session, self.task.id, self.asked[needs].ranking)
        return self.asked[needs]

    def ranking(self) -> Ranking:
        """The queues to size jobs for: those with places, or all if none has any."""
        ranking, places = self.brokered().ranking, self.places()
        if not ranking.ranked:
            self.refused = ranking
        free = tuple(r for r in ranking.ranked if places is None or places[r.queue] > 0)
        return Ranking(free or ranking.ranked, ranking.rejections)

    def places(self, needs: Needs | None = None) -> dict[str, int] | None:
        """How many more jobs of these needs each queue may get now; None: no end of them."""
        places = self.brokered(needs).places
        # Scouts are few, and everything else waits for them.
        if places is None or is_scouting(self.scouting):
            return None
        return {queue: max(0, n - self.taken[queue]) for queue, n in places.items()}

    @property
    def seen(self) -> QueueView:
        """The queues as they were seen last."""
        return list(self.asked.values())[-1].seen


def _act(act: Act) -> Outcome:
    task = act.session.get_one(Task, act.task_id)
    forget_wait(act.session, task.id)
    one_at_a_time(act.session, f"generate/{task.share_name}/{task.resource_type}")
    scene = _Scene(
        act, task, spec_of(act.session, task.id), datasets_of(act.session, task.id),
        scouting_of(act.session, task.id),
    )  # fmt: skip
    work = _scouts_first(scene, _work(scene, by_queue=not is_scouting(scene.scouting)))
    work, used_up = _with_secondaries(scene, work)
    throttled = why_throttled(act.session, (task.share_name, task.resource_type))
    # Scouts are few, and everything else waits for them.
    if throttled and (work.again or work.new) and not is_scouting(scene.scouting):
        move_tasks(act.session, [task.id], TaskEvent.THROTTLED, Why(act.actor, throttled))
        return Outcome(task.id, throttled)
    again = try_again(act, task, scene.spec, work.again)
    if work.new:
        again.groups[needs_of(task)] += work.new
    drafts = _write(scene, again)
    if drafts:
        return _generated(scene, drafts)
    if used_up:
        return _hinder(act, used_up)
    if scene.n_without_place:
        return _wait_for_place(scene)
    return _without_queue(scene, scene.refused) if scene.refused else _nothing_to_do(scene)


def _work(scene: _Scene, by_queue: bool) -> Work:
    asked = asked_now(scene.scouting, scene.spec)
    cutting = Cutting(scene.act, scene.task, scene.spec, asked, scene.ranking, by_queue,
                      _wanted(scene))  # fmt: skip
    search = scene.spec.search
    if search is not None:
        return within_limits(scene.act, search, next_work(cutting, in_turn(scene.datasets)))
    return next_work(cutting, scene.datasets)


def _wanted(scene: _Scene) -> int | None:
    """How many jobs to cut: as many as there are places (None: a whole batch), and one to see
    whether any are left. A task that is fresh shows what it has: it may be worth scouts.
    """
    places = scene.places()
    may_scout = scene.scouting is None and not scene.spec.skip_scouts
    if places is None or (may_scout and scene.task.status in (_READY, _PENDING)):
        return None
    return max(1, sum(places.values()))


def _scouts_first(scene: _Scene, work: Work) -> Work:
    """The work without what has to wait for the scouts."""
    task = scene.task
    if scene.scouting is None and worth_it(task, scene.spec, len(work.new)):
        scene.scouting = begin_scouting(scene.act.session, task, scene.spec)
        scene.asked.clear()  # Scouts go where others need not.
        work = _work(scene, by_queue=False)
    if not is_scouting(scene.scouting):
        return work
    return Work(work.again, work.new[: scouts_to_come(scene.scouting, task)])


def _with_secondaries(scene: _Scene, work: Work) -> tuple[Work, str]:
    """The work for which secondary files are left, and what is used up, in words.

    A stream that is not reusable gives each of its files to one job only.
    """
    most, words = len(work.new), ""
    for stream in (s for s in scene.spec.inputs[1:] if not s.reusable):
        mine = [d for d in scene.datasets if d.stream == stream.stream]
        n_files, per_job = sum(d.n_files for d in mine), stream.n_files_per_job or 1
        left = max(0, n_files // per_job - scene.task.next_sequence_nr)
        if left < most:
            most = left
            words = f"stream {stream.stream} is not reusable and its {n_files} files are used up"
    return Work(work.again, work.new[:most]), words if not most else ""


def _write(scene: _Scene, again: Again) -> list[Draft]:
    """Write the jobs of each group that some queue takes; gives all their drafts."""
    task, act = scene.task, scene.act
    numbers = Numbers(task.next_serial_nr, task.next_sequence_nr, task.next_event_nr)
    by_events = scene.spec.n_events_per_job is not None
    written: list[Draft] = []
    for needs, chunks in again.groups.items():
        brokered = scene.brokered(needs)
        if not brokered.ranking.ranked:
            scene.refused = brokered.ranking
            continue
        where = Targets(brokered.ranking, brokered.seen.ids, scene.places(needs))
        drafts, numbers = draft(chunks, where, numbers, again.before, by_events)
        scene.n_without_place += len(chunks) - len(drafts)
        if not drafts:
            continue
        search, datasets = scene.spec.search, scene.datasets
        if search is not None:
            datasets = datasets_for(act, search, drafts, datasets)
        write_jobs(act, task, Batch(drafts, needs, is_scouting(scene.scouting)), datasets)
        names = {queue_id: name for name, queue_id in brokered.seen.ids.items()}
        scene.taken.update(names[each.queue_id] for each in drafts)
        written += drafts
    if written:
        act.session.connection().execute(
            update(TASK).where(TASK.c.id == task.id)
            .values(next_serial_nr=numbers.serial_nr, next_sequence_nr=numbers.sequence_nr,
                    next_event_nr=numbers.event_nr, next_look_at=_held(scene),
                    started_at=task.started_at or db_now(), version=TASK.c.version + 1)
        )  # fmt: skip
    return written


def _held(scene: _Scene) -> db_now | None:
    """Until when the task makes no more jobs: what scouts there are to be, are made at once."""
    return db_now(WAIT_SECONDS) if is_scouting(scene.scouting) else None


def _generated(scene: _Scene, drafts: Sequence[Draft]) -> Outcome:
    act = scene.act
    _note_progress(scene)
    wake(act.session, Topic.JOB_ACTIVATED, Topic.TASK_CHANGED)
    note_generated(act.session, scene.task, Counter(d.queue_id for d in drafts))
    note_sent(scene.seen.counts, scene.taken)
    places = scene.places()
    if places is not None and not any(places.values()):
        _hold_for_place(scene)
    shown = ", ".join(f"{count} at {queue}" for queue, count in scene.taken.items())
    noun = "scouts" if is_scouting(scene.scouting) else "jobs"
    return Outcome(act.task_id, f"{len(drafts)} {noun}: {shown}", n_done=len(drafts), again=True)


def _wait_for_place(scene: _Scene) -> Outcome:
    """Leave the rest for later: what is not bound has not lost its choice."""
    _hold_for_place(scene)
    return Outcome(scene.task.id, f"waits for a place: {scene.brokered().full_in_words}")


def _hold_for_place(scene: _Scene) -> None:
    ahead = scene.seen.view.thresholds.bind_ahead_seconds
    # A task that went fast is looked at when a quarter of what was bound ahead has ended.
    steps = {
        ranked.queue: int(brokered.berths[ranked.queue].room.starts_per_second * ahead) // 4
        for brokered in scene.asked.values() if brokered.berths is not None
        for ranked in brokered.ranking.ranked
    }  # fmt: skip
    wait_for_place(scene.act.session, scene.task.id, scene.seen.counts, steps)


def _note_progress(scene: _Scene, **values: object) -> None:
    act, status = scene.act, scene.task.status
    scouting = is_scouting(scene.scouting)
    event = TaskEvent.SCOUTS_GENERATED if scouting else TaskEvent.JOBS_GENERATED
    if status != (TaskStatus.SCOUTING if scouting else TaskStatus.RUNNING):
        move_tasks(act.session, [act.task_id], event, Why(act.actor), **values)
    elif values:
        act.session.connection().execute(
            update(TASK).where(TASK.c.id == act.task_id).values(**values)
        )


def _nothing_to_do(scene: _Scene) -> Outcome:
    act, task = scene.act, scene.task
    if is_all_processed(act.session, task.id):
        move_tasks(act.session, [task.id], TaskEvent.ALL_PROCESSED, Why(act.actor))
        return Outcome(task.id, "nothing is left to process")
    # Held back until feed, collect or the scouts have news for it: they clear next_look_at.
    later = db_now(WAIT_SECONDS)
    fresh = task.status not in (TaskStatus.RUNNING, TaskStatus.SCOUTING)
    if task.input_open and fresh and not task.is_search:
        why = Why(act.actor, f"waits for more files of task {task.parent_task_id}")
        move_tasks(act.session, [task.id], TaskEvent.HINDERED, why, next_look_at=later)
    else:
        _note_progress(scene, next_look_at=later)
        look_at_merges(act.session, task.id)
    return Outcome(task.id, "waits for input or for running jobs")


def _without_queue(scene: _Scene, refused: Ranking) -> Outcome:
    unbuilt = nowhere_to_build(refused)
    return _unbuildable(scene, unbuilt) if unbuilt else _hinder(scene.act, _refusal(refused))


def _unbuildable(scene: _Scene, reason: str) -> Outcome:
    """No queue is left at which the task's build did not fail: its input fails."""
    n_files = give_up_unbuilt(scene.act, scene.datasets)
    roll_up(scene.act.session, scene.task.id, Why(scene.act.actor, reason))
    return Outcome(scene.task.id, f"{n_files} files given up: {reason}", n_done=n_files)


def _hinder(act: Act, words: str) -> Outcome:
    # It is looked at before that if a queue changes.
    later = db_now(values(act.session).of(Timeouts).pending_seconds)
    move_tasks(
        act.session, [act.task_id], TaskEvent.HINDERED, Why(act.actor, words), next_look_at=later
    )
    return Outcome(act.task_id, words)


def _refusal(ranking: Ranking) -> str:
    reasons = "; ".join(f"{r.queue}: {r.reason}" for r in ranking.rejections[:5])
    if len(ranking.rejections) > 5:
        reasons += f"; and {len(ranking.rejections) - 5} more"
    return f"no queue takes its jobs: {reasons or 'there is no queue'}"


_READY, _PENDING = TaskStatus.READY, TaskStatus.PENDING


def _due() -> ColumnElement[bool]:
    unused = exists().where(
        DATASET.c.task_id == TASK.c.id,
        DATASET.c.is_primary,
        DATASET.c.n_files_used < DATASET.c.n_files,
    )
    free = TASK.c.next_look_at.is_(None)
    not_held = or_(free, TASK.c.next_look_at <= db_now())
    return or_(
        and_(in_status(TaskStatus.READY), not_held),
        and_(in_status(TaskStatus.RUNNING, TaskStatus.SCOUTED), not_held, unused),
        # The scout stage clears the time when there is a scout to be tried again.
        and_(in_status(TaskStatus.SCOUTING), free, unused),
        # Pending without a time waits for its input: feed will move it.
        and_(in_status(TaskStatus.PENDING), TASK.c.next_look_at <= db_now(), unused),
    )


_DUE = _due()


def _candidates(
    session: Session, limit: int, task_ids: Sequence[int] | None
) -> list[tuple[int, str]]:
    """Tasks that are due: the first of each partition, then the second of each, …

    In a partition the highest priority goes first, and of one priority short work before long
    work, within bounds (`broker.order`).
    """
    partition = (TASK.c.share_name, TASK.c.resource_type)
    in_order = (TASK.c.priority.desc(), DUE, TASK.c.id)
    turn = func.row_number().over(partition_by=partition, order_by=in_order)
    resting = sleepers(session, task_ids)
    statement = select(TASK.c.id, TASK.c.name).where(_DUE)
    if task_ids is not None:
        statement = statement.where(id_in(TASK.c.id, task_ids, session))
    if resting.asleep:
        statement = statement.where(~id_in(TASK.c.id, resting.asleep, session))
    most = limit + len(resting.awake)
    rows = session.connection().execute(statement.order_by(turn, *in_order).limit(most))
    return resting.choose(((row.id, row.name) for row in rows), limit)


STAGE = Stage(
    name="generate",
    topics=(Topic.TASK_READY,),
    candidates=_candidates,
    act=_act,
)
