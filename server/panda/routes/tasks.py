"""Tasks: submitting and commanding them. What is read of them is in `task_reading`."""

from __future__ import annotations

from culm.core.errors import WrongStatus
from culm.wire.views import CommandRequest
from server.panda.asked import Asked, wrong
from server.panda.calls import Calls
from server.panda.codes import Code, Submitted
from server.panda.envelope import Said
from server.panda.owners import own_task
from server.panda.parameters.changes import changed_fields
from server.panda.submission import submit_parameters
from server.routing import Noun
from tasks.specs import spec_of
from tasks.stages.attempts import add_attempts
from tasks.stages.command import command
from tasks.store.originals import keep_original, original_of

tasks = Noun("panda: tasks", "Tasks as PanDA's client submits, commands and reads them.")
_calls = Calls(tasks, "task")


@_calls.post("submit")
def submit(asked: Asked) -> Said:
    """Submit a task; the message holds `jediTaskID=`.

    `data` is 0, or 3 where an ended task of the same name takes up new parameters; where it is
    refused 1 or 2 (a living task has the name), or 10.
    """
    return submit_parameters(asked)


@_calls.post("kill")
def kill(asked: Asked) -> Said:
    """Kill a task and its jobs."""
    return _told(asked, CommandRequest(command="kill"))


@_calls.post("finish")
def finish(asked: Asked) -> Said:
    """Finish a task now; with `soft` when what runs has ended."""
    return _told(asked, CommandRequest(command="finish", soft=asked.flag("soft")))


@_calls.post("pause")
def pause(asked: Asked) -> Said:
    """Pause a task: what runs goes on, nothing new is sent."""
    return _told(asked, CommandRequest(command="pause"))


@_calls.post("resume")
def resume(asked: Asked) -> Said:
    """Let a paused task go on."""
    return _told(asked, CommandRequest(command="resume"))


@_calls.post("release")
def release(asked: Asked) -> Said:
    """Let a task make all of its jobs, whatever scouts say."""
    return _told(asked, CommandRequest(command="release"))


@_calls.post("avalanche")
def avalanche(asked: Asked) -> Said:
    """End the scouting of a task: the rest of its jobs is made at once."""
    return _told(asked, CommandRequest(command="avalanche"))


@_calls.post("reactivate")
def reactivate(asked: Asked) -> Said:
    """Look again at a task that waits."""
    return _told(asked, CommandRequest(command="reactivate"))


@_calls.post("reassign")
def reassign(asked: Asked) -> Said:
    """Choose places anew for what of a task waits; a site is not chosen by command."""
    for name in ("site", "cloud", "nucleus"):
        if asked.get(name) is not None:
            needed = "places are chosen by brokerage: retry with new_parameters site=… instead"
            raise wrong(name, asked.get(name), needed)
    return _told(asked, CommandRequest(command="reactivate"))


@_calls.post("reload_input")
def reload_input(asked: Asked) -> Said:
    """Look at the input of a task again: files that came since are processed too."""
    try:
        return _told(asked, CommandRequest(command="retry"))
    except WrongStatus:
        return _told(asked, CommandRequest(command="reactivate"))


@_calls.post("retry")
def retry(asked: Asked) -> Said:
    """Try again what did not succeed; `data` is 0, or 3 where new parameters are taken up."""
    changes = asked.mapping("new_parameters")
    if not changes:
        return _told(asked, CommandRequest(command="retry"), data=int(Code.REGISTERED))
    with asked.parts.books.read() as session:
        task_id = own_task(session, asked)
        before, original = spec_of(session, task_id), original_of(session, task_id)
    order = CommandRequest(command="incexec", parameters=changed_fields(changes, before))
    said = _told(asked, order, data=int(Submitted.INCEXEC))
    if original is not None:
        with asked.parts.books.write() as session:
            keep_original(session, task_id, original | dict(changes))
    return said


@_calls.post("increase_attempts")
def increase_attempts(asked: Asked) -> Said:
    """Give the unfinished input of a living task more attempts."""
    increase = asked.number("increase", 3)
    with asked.parts.books.read() as session:
        task_id = own_task(session, asked)
    count = add_attempts(asked.parts.books, task_id, increase)
    words = f"{count} files may be tried {increase} times more"
    return Said(data=int(Code.REGISTERED), message=words)


def _told(asked: Asked, order: CommandRequest, data: int | None = None) -> Said:
    """What a command that was taken up is answered with: the client prints `data`."""
    with asked.parts.books.read() as session:
        task_id = own_task(session, asked)
    words = command(asked.parts.books, task_id, order, asked.actor.subject).message
    said = f"{words} for jediTaskID={task_id}"
    return Said(data=said if data is None else data, message=said)
