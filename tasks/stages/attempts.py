"""More attempts for the input of a task that lives."""

from __future__ import annotations

from sqlalchemy import select, update

from culm.core.errors import FieldFault, InvalidRequest, NotFound, WrongStatus
from tasks.lifecycles import TASK as MACHINE
from tasks.lifecycles import FileEvent
from tasks.statuses import FileStatus, TaskStatus
from tasks.store.books import Books, wake
from tasks.store.locks import hold_tasks
from tasks.store.moves import move_files
from tasks.store.tables import DATASET, FILE, TASK
from tasks.store.topics import Topic
from tasks.tables import Task

MOST_MORE = 50
_DONE = (str(FileStatus.FINISHED),)


def add_attempts(books: Books, task_id: int, increase: int) -> int:
    """Let each file of the primary input that is not done fail so many times more.

    Those that were given up are ready again. Gives how many files it is about.

    Raises:
        InvalidRequest: the increase is not 1 to 50.
        NotFound: there is no such task.
        WrongStatus: it has ended: `retry` gives fresh attempts then.
    """
    if not 1 <= increase <= MOST_MORE:
        fault = FieldFault("increase", str(increase), f"1 to {MOST_MORE}")
        raise InvalidRequest("attempts cannot be increased like this", faults=[fault])
    with books.write() as session:
        hold_tasks(session, [task_id])
        task = session.get(Task, task_id)
        if task is None:
            raise NotFound(f"no task {task_id}")
        if TaskStatus(task.status) in MACHINE.final:
            raise WrongStatus(f"task {task_id} is {task.status}: retry gives it fresh attempts")
        run = session.connection().execute
        primary = select(DATASET.c.id).where(DATASET.c.task_id == task_id, DATASET.c.is_primary)
        more = run(
            update(FILE)
            .where(FILE.c.dataset_id.in_(primary), FILE.c.status.not_in(_DONE))
            .values(max_attempts=FILE.c.max_attempts + increase)
        ).rowcount
        for dataset_id in run(primary).scalars().all():
            again = move_files(session, FILE.c.dataset_id == dataset_id, FileEvent.RETRIED)
            c = DATASET.c
            run(update(DATASET).where(c.id == dataset_id)
                .values(n_files_used=c.n_files_used - again,
                        n_files_failed=c.n_files_failed - again))  # fmt: skip
        run(update(TASK).where(TASK.c.id == task_id)
            .values(max_attempts=TASK.c.max_attempts + increase, next_look_at=None))  # fmt: skip
        wake(session, Topic.TASK_READY)
    return int(more)
