"""PanDA's codes for what became of a command or a submission."""

from __future__ import annotations

from enum import IntEnum

from culm.core.errors import Conflict, CulmError, NotAllowed, NotFound, WrongStatus


class Code(IntEnum):
    """What became of a command."""

    REGISTERED = 0
    SERVER_ERROR = 1
    NOT_FOUND = 2
    DENIED = 3
    WRONG_STATUS = 4


class Submitted(IntEnum):
    """What became of a submission."""

    ACCEPTED = 0
    DUPLICATE_QUEUED = 1
    DUPLICATE_ACTIVE = 2
    INCEXEC = 3
    REFUSED = 10


def code_of(error: CulmError) -> Code:
    """The code for a command that was refused with this error."""
    if isinstance(error, NotFound):
        return Code.NOT_FOUND
    if isinstance(error, NotAllowed):
        return Code.DENIED
    if isinstance(error, WrongStatus | Conflict):
        return Code.WRONG_STATUS
    return Code.SERVER_ERROR
