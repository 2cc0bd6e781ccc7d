"""Parameters of paths, queries and headers that several nouns share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeVar

from fastapi import Header, Path, Query

from culm.core import names
from culm.core.errors import FieldFault, InvalidRequest
from culm.core.ids import new_key
from culm.core.nearest import unknown_name
from server.identity.actor import Actor

Status = TypeVar("Status", bound=StrEnum)
_KEY = r"^[A-Za-z0-9._:-]{1,64}$"

TaskId = Annotated[int, Path(ge=1, le=2**62, description="The task's number", examples=[10000001])]
JobId = Annotated[int, Path(ge=1, le=2**62, description="The job's number", examples=[1])]
DatasetName = Annotated[
    str,
    Path(pattern=f"^(?:{names.DATASET.pattern})$", description="The dataset's name",
         examples=["user.alice.digits"]),
]  # fmt: skip
FileName = Annotated[
    str,
    Path(pattern=f"^(?:{names.LFN.pattern})$", description="The file's name in its dataset"),
]
QueueName = Annotated[
    str, Path(pattern=f"^(?:{names.USER.pattern})$", description="The queue's name")
]
Limit = Annotated[int, Query(ge=1, le=10_000, description="The most that a page holds")]
Statuses = Annotated[
    str, Query(max_length=1000, description="Only these statuses, separated by commas")
]
Kinds = Annotated[
    str, Query(max_length=200, description="Only these kinds of job, separated by commas")
]
Glob = Annotated[str, Query(max_length=255, description="A shell pattern: * any characters, ? one")]
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", pattern=_KEY,
           description="The same key makes the same thing, however often it is sent"),
]  # fmt: skip


User = Annotated[str, Query(max_length=63, description="me, a name, or * for all that you may see")]
MYSELF, EVERYBODY, NOBODY = "me", "*", ""


def whose(actor: Actor, user: str) -> str | None:
    """The user whose things a list may hold: None for everybody's, `NOBODY` for none.

    An administrator sees everybody's, others only their own.
    """
    wanted = actor.subject if user == MYSELF else None if user == EVERYBODY else user
    if actor.is_admin:
        return wanted
    return actor.subject if wanted in (None, actor.subject) else NOBODY


def key_or_new(key: str | None) -> str:
    """The idempotency key of a request; a fresh one where the client did not care."""
    return key or new_key()


def statuses_of(kind: type[Status], text: str, name: str = "status") -> tuple[Status, ...]:
    """The statuses (or what else this parameter takes) that a comma-separated list names.

    Raises:
        InvalidRequest: with a fault for each that is not known.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    known = {str(status) for status in kind}
    faults = [FieldFault(name, ascii(word)[:80], unknown_name(word, known))
              for word in words if word not in known]  # fmt: skip
    if faults:
        raise InvalidRequest(f"unknown {name}", faults=faults)
    return tuple(kind(word) for word in words)
