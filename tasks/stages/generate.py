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

from sqlalchemy import update

from tasks.lifecycles import TaskEvent
from tasks.specs import spec_of
from tasks.stages.asking import needs_of, scouting_of
from tasks.stages.drafts import Draft, Numbers, Targets, draft
from tasks.stages.generation import Generation
from tasks.stages.generation_idle import WAIT_SECONDS, hold_for_place, note_progress, nothing_made
from tasks.stages.generation_turns import due_tasks
from tasks.stages.generation_work import work_of
from tasks.stages.place_waits import forget_wait
from tasks.stages.queue_counts import note_sent
from tasks.stages.retried import Again, try_again
from tasks.stages.scouts import is_scouting
from tasks.stages.search_jobs import datasets_for
from tasks.stages.select import datasets_of
from tasks.stages.share_counts import note_generated
from tasks.stages.stage import Act, Outcome, Stage
from tasks.stages.throttle import why_throttled
from tasks.stages.write_jobs import Batch, write_jobs
from tasks.store.books import wake
from tasks.store.locks import one_at_a_time
from tasks.store.moves import Why, move_tasks
from tasks.store.tables import TASK
from tasks.store.topics import Topic
from tasks.tables import Task
from tasks.tables.columns import db_now


def _act(act: Act) -> Outcome:
    task = act.session.get_one(Task, act.task_id)
    forget_wait(act.session, task.id)
    one_at_a_time(act.session, f"generate/{task.share_name}/{task.resource_type}")
    generation = Generation(
        act, task, spec_of(act.session, task.id), datasets_of(act.session, task.id),
        scouting_of(act.session, task.id),
    )  # fmt: skip
    work, used_up = work_of(generation)
    throttled = why_throttled(act.session, (task.share_name, task.resource_type))
    # Scouts are few, and everything else waits for them.
    if throttled and (work.again or work.new) and not is_scouting(generation.scouting):
        move_tasks(act.session, [task.id], TaskEvent.THROTTLED, Why(act.actor, throttled))
        return Outcome(task.id, throttled)
    again = try_again(act, task, generation.spec, work.again)
    if work.new:
        again.groups[needs_of(task)] += work.new
    drafts = _write(generation, again)
    return _generated(generation, drafts) if drafts else nothing_made(generation, used_up)


def _write(generation: Generation, again: Again) -> list[Draft]:
    """Write the jobs of each group that some queue takes; gives all their drafts."""
    task, act = generation.task, generation.act
    numbers = Numbers(task.next_serial_nr, task.next_sequence_nr, task.next_event_nr)
    by_events = generation.spec.n_events_per_job is not None
    written: list[Draft] = []
    for needs, chunks in again.groups.items():
        brokered = generation.brokered(needs)
        if not brokered.ranking.ranked:
            generation.refused = brokered.ranking
            continue
        where = Targets(brokered.ranking, brokered.seen.ids, generation.places(needs))
        drafts, numbers = draft(chunks, where, numbers, again.before, by_events)
        generation.n_without_place += len(chunks) - len(drafts)
        if not drafts:
            continue
        search, datasets = generation.spec.search, generation.datasets
        if search is not None:
            datasets = datasets_for(act, search, drafts, datasets)
        write_jobs(act, task, Batch(drafts, needs, is_scouting(generation.scouting)), datasets)
        names = {queue_id: name for name, queue_id in brokered.seen.ids.items()}
        generation.taken.update(names[each.queue_id] for each in drafts)
        written += drafts
    if written:
        _count(generation, numbers)
    return written


def _count(generation: Generation, numbers: Numbers) -> None:
    task = generation.task
    # A task in scouting makes no more until then: its scouts were made at once.
    held = db_now(WAIT_SECONDS) if is_scouting(generation.scouting) else None
    generation.act.session.connection().execute(
        update(TASK).where(TASK.c.id == task.id)
        .values(next_serial_nr=numbers.serial_nr, next_sequence_nr=numbers.sequence_nr,
                next_event_nr=numbers.event_nr, next_look_at=held,
                started_at=task.started_at or db_now(), version=TASK.c.version + 1)
    )  # fmt: skip


def _generated(generation: Generation, drafts: Sequence[Draft]) -> Outcome:
    act = generation.act
    note_progress(generation)
    wake(act.session, Topic.JOB_ACTIVATED, Topic.TASK_CHANGED)
    note_generated(act.session, generation.task, Counter(d.queue_id for d in drafts))
    note_sent(generation.seen.counts, generation.taken)
    places = generation.places()
    if places is not None and not any(places.values()):
        hold_for_place(generation)
    shown = ", ".join(f"{count} at {queue}" for queue, count in generation.taken.items())
    noun = "scouts" if is_scouting(generation.scouting) else "jobs"
    return Outcome(act.task_id, f"{len(drafts)} {noun}: {shown}", n_done=len(drafts), again=True)


STAGE = Stage(
    name="generate",
    topics=(Topic.TASK_READY,),
    candidates=due_tasks,
    act=_act,
)
