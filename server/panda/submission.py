"""Tasks of PanDA's client taken in: translated, then submitted as any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import col, select

from culm.core.errors import Conflict, UserError
from culm.core.ids import new_key
from culm.wire.codec import encode
from culm.wire.task_spec import TaskSpec
from culm.wire.views import CommandRequest
from server.dataset_names import check_may_write
from server.panda.asked import Asked, wrong
from server.panda.codes import Submitted
from server.panda.envelope import Said, words_of
from server.panda.parameters.task import Asker, task_spec
from server.races import looking_again
from server.share_claims import check_may_claim, may_claim, with_organisation
from tasks.lifecycles import TASK as MACHINE
from tasks.lifecycles import TaskEvent
from tasks.specs import spec_of
from tasks.stages.command import command
from tasks.stages.submit import submit
from tasks.statuses import TaskStatus
from tasks.store.cache_files import digest_of
from tasks.store.originals import keep_original
from tasks.tables import Task

_QUEUED = frozenset({TaskStatus.REGISTERED, TaskStatus.DEFINED, TaskStatus.ASSIGNING})


def submit_parameters(asked: Asked) -> Said:
    """Submit the task of `task_parameters`, or re-execute the one of the same name.

    A name that a task of yours has: one that has ended is told to take up the new parameters and
    new input (incremental execution), as PanDA's server does; a living one stays as it is.
    """
    parameters = asked.mapping("task_parameters")
    if parameters is None:
        raise wrong("task_parameters", None, "an object: what the task is to do")
    try:
        spec = _spec(asked, parameters)
    except UserError as error:
        code = Submitted.REFUSED
        return Said(success=False, data=int(code), message=words_of(error))
    books, user = asked.parts.books, asked.actor.subject
    try:
        accepted = looking_again(lambda: submit(books, spec, user, new_key(), dict(parameters)))
    except Conflict as conflict:
        return _again(asked, parameters, spec, conflict)
    except UserError as error:
        return Said(success=False, data=int(Submitted.REFUSED), message=words_of(error))
    return Said(data=int(Submitted.ACCEPTED),
                message=f"succeeded. new jediTaskID={accepted.task_id}")  # fmt: skip


def _spec(asked: Asked, parameters: Mapping[str, Any]) -> TaskSpec:
    actor = asked.actor
    parent = asked.number("parent_tid", 0) or None

    def sandbox_of(name: str) -> str | None:
        with asked.parts.books.read() as session:
            return digest_of(session, actor.subject, name)

    asker = Asker(sandbox_of=sandbox_of, may_claim=may_claim(actor), parent_task_id=parent)
    spec = task_spec(parameters, asker)
    check_may_write(actor, spec.name, None)
    check_may_claim(actor, spec)
    return with_organisation(actor, spec)


def _again(asked: Asked, parameters: Mapping[str, Any], spec: TaskSpec, conflict: Conflict) -> Said:
    """What becomes of a task whose name is taken."""
    books, user = asked.parts.books, asked.actor.subject
    with books.read() as session:
        task = session.exec(
            select(Task).where(Task.user_name == user, Task.name == spec.name)
            .order_by(col(Task.id).desc())
        ).first()  # fmt: skip
        if task is None:
            return Said(success=False, data=int(Submitted.REFUSED), message=words_of(conflict))
        status, task_id = TaskStatus(task.status), task.id
        before = encode(spec_of(session, task_id))
    if MACHINE.target(status, TaskEvent.INCEXEC_REQUESTED) is None:
        code = Submitted.DUPLICATE_QUEUED if status in _QUEUED else Submitted.DUPLICATE_ACTIVE
        words = f"jediTaskID={task_id} has the name already and is {status}: {words_of(conflict)}"
        return Said(success=False, data=int(code), message=words)
    changes = {name: value for name, value in encode(spec).items()
               if before.get(name) != value}  # fmt: skip
    try:
        command(books, task_id, CommandRequest(command="incexec", parameters=changes), user)
    except UserError as error:
        code = Submitted.REFUSED
        return Said(success=False, data=int(code), message=words_of(error))
    with books.write() as session:
        keep_original(session, task_id, parameters)
    words = f"reactivation accepted. jediTaskID={task_id} (was {status}) takes up new input"
    return Said(data=int(Submitted.INCEXEC), message=words)
