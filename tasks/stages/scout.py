"""Scout: look at what the first jobs taught, and let the rest of the task follow, or not.

First when half of the scouts finished (or none is left to finish), then when the first 100 jobs
after them did (documentation, 15).
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, or_, select, update

from culm.wire.codec import encode
from tasks.lifecycles import TaskEvent
from tasks.scout_verdict import Evidence, findings
from tasks.scouting import Asked, Lesson, adjusted, learn
from tasks.specs import spec_of
from tasks.stages.asking import asked_by, memory_mb
from tasks.stages.evidence import PROCESSING, evidence
from tasks.stages.scouts import Phase, finished_of, n_finished, scouts_are_done
from tasks.stages.select import in_status, tasks_where
from tasks.stages.stage import Act, Outcome, Stage
from tasks.statuses import FileStatus, TaskStatus
from tasks.store.books import wake
from tasks.store.bulk import one_of
from tasks.store.configuration import values
from tasks.store.moves import Why, database_time, move_tasks
from tasks.store.tables import FILE, JOB, JOB_ALIVE, JOB_FILE, SCOUTING, TASK
from tasks.store.topics import Topic
from tasks.tables import Task, TaskScouting
from tasks.tagging import resource_type
from tasks.thresholds import Scouting


def _act(act: Act) -> Outcome:
    task = act.session.get_one(Task, act.task_id)
    state = act.session.get_one(TaskScouting, act.task_id, populate_existing=True)
    if state.phase == Phase.SCOUTED:
        return _second_look(act, task, state)
    if n_finished(act.session, task.id) < state.look_at_finished and _to_be_tried_again(act):
        act.session.connection().execute(
            update(TASK).where(TASK.c.id == task.id).values(next_look_at=None)
        )
        wake(act.session, Topic.TASK_READY)
        return Outcome(task.id, "scouts are tried again")
    return _first_look(act, task, state)


def _first_look(act: Act, task: Task, state: TaskScouting) -> Outcome:
    spec, rules = spec_of(act.session, task.id), _rules(act, task)
    scouts = evidence(act.session, task.id, state.first_sequence_nr)
    if not scouts and n_finished(act.session, task.id) < state.look_at_finished:
        return _exhaust(act, f"all scouts failed: {_last_words(act, state)}")
    asked = asked_by(spec)
    lesson = learn(scouts, asked, rules)
    _keep(act, state, asked, lesson)
    found = findings(Evidence(scouts, asked, lesson, rules))
    if found:
        return _exhaust(act, "; ".join(map(str, found)))
    words = _adjust(act, task, state, asked, lesson)
    scouts_are_done(act.session, state)
    why = Why(act.actor, f"{len(scouts)} scouts finished: {words}")
    move_tasks(act.session, [task.id], TaskEvent.SCOUTS_PASSED, why, next_look_at=None)
    wake(act.session, Topic.TASK_READY)
    return Outcome(task.id, why.reason, n_done=len(scouts))


def _rules(act: Act, task: Task) -> Scouting:
    return values(act.session).of(Scouting, activity=task.activity)


def _second_look(act: Act, task: Task, state: TaskScouting) -> Outcome:
    scouts = evidence(act.session, task.id, state.first_sequence_nr)
    asked = asked_by(spec_of(act.session, task.id))
    lesson = learn(scouts, asked, _rules(act, task))
    _keep(act, state, asked, lesson)
    words = _adjust(act, task, state, asked, lesson)
    state.phase = Phase.SETTLED
    act.session.add(state)
    act.session.flush()
    return Outcome(task.id, f"{len(scouts)} jobs looked at: {words}", n_done=len(scouts))


def _keep(act: Act, state: TaskScouting, asked: Asked, lesson: Lesson) -> None:
    state.lesson, state.asked = encode(lesson), encode(asked)
    state.at = database_time(act.session)
    act.session.add(state)
    act.session.flush()


def _adjust(act: Act, task: Task, state: TaskScouting, asked: Asked, lesson: Lesson) -> str:
    """Put what was learnt in force; gives it in words."""
    now = adjusted(asked, lesson)
    _keep(act, state, now, lesson)
    new_memory = memory_mb(now)
    if new_memory != task.memory_mb:
        act.session.connection().execute(
            update(TASK).where(TASK.c.id == task.id)
            .values(memory_mb=new_memory, version=TASK.c.version + 1,
                    resource_type=resource_type(act.session, task.core_count, new_memory))
        )  # fmt: skip
    told = [f"memory {memory_mb(asked)} -> {new_memory} MB"]
    if now.cpu_time is not None and now.cpu_time != asked.cpu_time:
        told.append(f"{now.cpu_time:.4g} HS06 s an event")
    return ", ".join(told)


def _exhaust(act: Act, reason: str) -> Outcome:
    hint = f"mend it and retry, or let it run as it is: culm task avalanche {act.task_id}"
    why = Why(act.actor, f"{reason}. {hint}")
    move_tasks(act.session, [act.task_id], TaskEvent.SCOUTS_EXHAUSTED, why)
    return Outcome(act.task_id, f"exhausted: {reason}")


def _last_words(act: Act, state: TaskScouting) -> str:
    row = act.session.connection().execute(
        select(JOB.c.id, JOB.c.pilot_error_code, JOB.c.pilot_error_diag, JOB.c.server_error_diag)
        .where(JOB.c.task_id == act.task_id, JOB.c.sequence_nr >= state.first_sequence_nr,
               JOB.c.kind.in_(PROCESSING))
        .order_by(JOB.c.id.desc()).limit(1)
    ).first()  # fmt: skip
    if row is None:
        return "there was none"
    diag = row.server_error_diag or row.pilot_error_diag or f"error {row.pilot_error_code}"
    return f"last job {row.id}: {diag}"


def _to_be_tried_again(act: Act) -> bool:
    query = select(TASK.c.id).where(TASK.c.id == act.task_id, _input_back())
    return act.session.connection().execute(query).first() is not None


def _input_back() -> ColumnElement[bool]:
    """Some input that a scout had is ready again."""
    return exists().where(
        JOB.c.task_id == TASK.c.id, JOB_FILE.c.job_id == JOB.c.id, FILE.c.id == JOB_FILE.c.file_id,
        FILE.c.status == str(FileStatus.READY), FILE.c.job_id == JOB.c.id,
    )  # fmt: skip


def _due() -> ColumnElement[bool]:
    enough = exists().where(
        SCOUTING.c.task_id == TASK.c.id,
        finished_of(TASK.c.id) >= SCOUTING.c.look_at_finished,
        or_(
            and_(SCOUTING.c.phase == str(Phase.SCOUTING), in_status(TaskStatus.SCOUTING)),
            and_(SCOUTING.c.phase == str(Phase.SCOUTED), in_status(TaskStatus.RUNNING)),
        ),
    )
    nobody_works = ~exists().where(JOB.c.task_id == TASK.c.id, JOB_ALIVE)
    stuck = and_(
        in_status(TaskStatus.SCOUTING), TASK.c.next_look_at.is_not(None),
        or_(_input_back(), nobody_works),
    )  # fmt: skip
    open_ones = select(SCOUTING.c.task_id).where(
        one_of(SCOUTING.c.phase, (Phase.SCOUTING, Phase.SCOUTED))
    )
    alive = in_status(TaskStatus.SCOUTING, TaskStatus.RUNNING)
    return and_(TASK.c.id.in_(open_ones), alive, or_(enough, stuck))


STAGE = Stage(
    name="scout",
    topics=(Topic.TASK_CHANGED,),
    candidates=tasks_where(_due()),
    act=_act,
)
