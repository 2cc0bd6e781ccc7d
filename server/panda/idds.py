"""Commands that PanDA's server would hand on to iDDS: carried out on our own workflows."""

from __future__ import annotations

import json
from typing import Any

from culm.core.errors import NotFound
from culm.core.nearest import unknown_name
from culm.wire.views import CommandRequest
from server.identity.access import may_see
from server.panda.asked import Asked, wrong
from server.panda.workflow_rows import status_words
from tasks.stages.workflow_command import command_workflow
from tasks.views.workflows import workflow_owner

_COMMANDS = {
    "abort": "kill", "retry": "retry", "finish": "finish", "suspend": "pause", "resume": "resume",
}  # fmt: skip
_READING = ("get_status",)


def carry_out(asked: Asked) -> Any:
    """What the command `command_name` gives: lines of text for get_status, else [[0, words]].

    Raises:
        InvalidRequest: there is no such command here, or no workflow is named.
        NotFound: the workflow is not there, or another's.
        WrongStatus: its status does not take the command.
    """
    # A client may add the host that it has in mind.
    command = asked.text("command_name").partition("+")[0]
    if command not in (*_COMMANDS, *_READING):
        needed = unknown_name(command, [*_COMMANDS, *_READING])
        raise wrong("command_name", command, f"there is no iDDS here; of its commands: {needed}")
    workflow_id = _request_id(asked)
    with asked.parts.books.read() as session:
        if not may_see(asked.actor, workflow_owner(session, workflow_id)):
            raise NotFound(f"no workflow {workflow_id} of yours")
        if command in _READING:
            return status_words(session, workflow_id)
    order = CommandRequest(command=_COMMANDS[command])
    answer = command_workflow(asked.parts.books, workflow_id, order, asked.actor.subject)
    return [[0, answer.message]]


def _request_id(asked: Asked) -> int:
    """The workflow that kwargs, or the first of args, name; both are JSON texts."""
    arguments = _json(asked, "args", list)
    named = _json(asked, "kwargs", dict)
    number = named.get("request_id", arguments[0] if arguments else None)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 2**62:
        raise wrong("request_id", number, "the number of a workflow")
    return number


def _json(asked: Asked, name: str, kind: type[list[Any]] | type[dict[str, Any]]) -> Any:
    value = asked.get(name)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise wrong(name, value, f"JSON ({error})") from error
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise wrong(name, value, f"JSON of a {kind.__name__}")
    return value
