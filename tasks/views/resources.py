"""What a task asked for, what its jobs used, and what it will ask for next."""

from __future__ import annotations

from sqlmodel import Session

from culm.core.errors import NotFound
from culm.wire.codec import decode
from culm.wire.resources import ResourceView, TaskResources
from tasks.scouting import Asked, Lesson, learn
from tasks.specs import spec_of
from tasks.stages.asking import asked_by, asked_now, scouting_of
from tasks.stages.evidence import evidence
from tasks.store.configuration import values
from tasks.tables import Task
from tasks.thresholds import Scouting


def task_resources(session: Session, task_id: int) -> TaskResources:
    """Asked against used, and what comes next.

    What was used is what the last look of the scouting found; of a task that had none, its
    first finished jobs.

    Raises:
        NotFound: there is no such task.
    """
    task = session.get(Task, task_id)
    if task is None:
        raise NotFound(f"no task {task_id}")
    spec, state = spec_of(session, task_id), scouting_of(session, task_id)
    asked, now = asked_by(spec), asked_now(state, spec)
    lesson = decode(Lesson, state.lesson, "lesson") if state else Lesson()
    if not lesson.n_jobs:
        rules = values(session).of(Scouting, activity=task.activity)
        lesson = learn(evidence(session, task_id), asked, rules)
    totals = (
        ResourceView(name="cores", unit="", asked=spec.core_count,
                     used=_cores(asked, lesson), next=task.core_count),
        ResourceView(name="memory", unit="MB", asked=spec.memory_mb, used=lesson.max_pss_mb,
                     next=task.memory_mb),
        ResourceView(name="wall time", unit="s", asked=spec.walltime_seconds,
                     used=lesson.wall_seconds, next=task.walltime_seconds),
        ResourceView(name="work directory", unit="MB", asked=spec.disk_mb,
                     used=lesson.work_disk_mb, next=task.disk_mb),
    )  # fmt: skip
    return TaskResources(
        task_id=task_id,
        scouting=state.phase if state else "",
        n_jobs=lesson.n_jobs,
        resources=totals + _rates(asked, now, lesson),
    )


def _cores(asked: Asked, lesson: Lesson) -> float | None:
    """The CPUs that were busy on average."""
    efficiency = lesson.cpu_efficiency
    return None if efficiency is None else efficiency * asked.core_count


def _rates(asked: Asked, now: Asked, lesson: Lesson) -> tuple[ResourceView, ...]:
    least = asked.min_cpu_efficiency
    return (
        ResourceView(name="CPU efficiency", unit="", asked=least, used=lesson.cpu_efficiency,
                     next=least),
        ResourceView(name="CPU time an event", unit="HS06 s", asked=asked.cpu_time,
                     used=lesson.cpu_time, next=now.cpu_time),
        ResourceView(name="output an event", unit="MB", asked=asked.output_mb_per_event or None,
                     used=lesson.output_mb_per_event, next=now.output_mb_per_event or None),
        ResourceView(name="network I/O", unit="kB/s", used=lesson.io_intensity),
        ResourceView(name="disk I/O", unit="kB/s", used=lesson.disk_io),
    )  # fmt: skip
