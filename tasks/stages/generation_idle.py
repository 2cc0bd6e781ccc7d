"""When no job is made: the task waits for a place, a queue or input, or nothing is left to do."""

from __future__ import annotations

from sqlalchemy import update

from broker.values import Ranking
from tasks.lifecycles import TaskEvent
from tasks.stages.builds import give_up_unbuilt, nowhere_to_build
from tasks.stages.ending import is_all_processed, look_at_merges, roll_up
from tasks.stages.generation import Generation
from tasks.stages.place_waits import wait_for_place
from tasks.stages.scouts import is_scouting
from tasks.stages.stage import Act, Outcome
from tasks.statuses import TaskStatus
from tasks.store.configuration import values
from tasks.store.moves import Why, move_tasks
from tasks.store.tables import TASK
from tasks.tables.columns import db_now
from tasks.thresholds import Timeouts

WAIT_SECONDS = 60.0
"""The sweep behind the wake-ups for a task that waits for more input."""


def nothing_made(generation: Generation, used_up: str) -> Outcome:
    """What becomes of a task of which no job was made; `used_up` says what input it lacks."""
    if used_up:
        return _hinder(generation.act, used_up)
    if generation.n_without_place:
        return _wait_for_place(generation)
    if generation.refused is None:
        return _nothing_to_do(generation)
    unbuilt = nowhere_to_build(generation.refused)
    if unbuilt:
        return _unbuildable(generation, unbuilt)
    return _hinder(generation.act, _refusal(generation.refused))


def hold_for_place(generation: Generation) -> None:
    """Let the task rest until one of the queues that take its jobs has a place."""
    ahead = generation.seen.view.thresholds.bind_ahead_seconds
    # A task that went fast is looked at when a quarter of what was bound ahead has ended.
    steps = {
        ranked.queue: int(brokered.berths[ranked.queue].room.starts_per_second * ahead) // 4
        for brokered in generation.asked.values() if brokered.berths is not None
        for ranked in brokered.ranking.ranked
    }  # fmt: skip
    wait_for_place(generation.act.session, generation.task.id, generation.seen.counts, steps)


def note_progress(generation: Generation, **values: object) -> None:
    """Move a task that makes jobs to where it is then; these columns are set in any case."""
    act, status = generation.act, generation.task.status
    scouting = is_scouting(generation.scouting)
    event = TaskEvent.SCOUTS_GENERATED if scouting else TaskEvent.JOBS_GENERATED
    if status != (TaskStatus.SCOUTING if scouting else TaskStatus.RUNNING):
        move_tasks(act.session, [act.task_id], event, Why(act.actor), **values)
    elif values:
        act.session.connection().execute(
            update(TASK).where(TASK.c.id == act.task_id).values(**values)
        )


def _wait_for_place(generation: Generation) -> Outcome:
    """Leave the rest for later: what is not bound has not lost its choice."""
    hold_for_place(generation)
    return Outcome(generation.task.id, f"waits for a place: {generation.brokered().full_in_words}")


def _nothing_to_do(generation: Generation) -> Outcome:
    act, task = generation.act, generation.task
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
        note_progress(generation, next_look_at=later)
        look_at_merges(act.session, task.id)
    return Outcome(task.id, "waits for input or for running jobs")


def _unbuildable(generation: Generation, reason: str) -> Outcome:
    """No queue is left at which the task's build did not fail: its input fails."""
    n_files = give_up_unbuilt(generation.act, generation.datasets)
    roll_up(generation.act.session, generation.task.id, Why(generation.act.actor, reason))
    return Outcome(generation.task.id, f"{n_files} files given up: {reason}", n_done=n_files)


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
