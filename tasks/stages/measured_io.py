"""How much the jobs of tasks move over the network and their disks, as their scouts measured."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel import Session

from culm.wire.codec import decode
from tasks.scouting import Lesson
from tasks.store.bulk import id_in
from tasks.store.tables import SCOUTING


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredIo:
    """Of one job, in kB/s (documentation, 15.4 and 15.5); None: not measured yet."""

    io_intensity_kb_per_second: float | None = None
    disk_io_kb_per_second: float | None = None


def measured_io(session: Session, task_ids: Collection[int]) -> dict[int, MeasuredIo]:
    """What scouts measured, of those of the tasks that had some."""
    rows = session.connection().execute(
        select(SCOUTING.c.task_id, SCOUTING.c.lesson)
        .where(id_in(SCOUTING.c.task_id, list(task_ids), session))
    )  # fmt: skip
    lessons = {row.task_id: decode(Lesson, row.lesson, "lesson") for row in rows}
    return {
        task_id: MeasuredIo(
            io_intensity_kb_per_second=lesson.io_intensity, disk_io_kb_per_second=lesson.disk_io
        )
        for task_id, lesson in lessons.items()
    }
