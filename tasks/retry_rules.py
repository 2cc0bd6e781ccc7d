"""What becomes of the input of a job that did not succeed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from culm.wire.error_codes import KINDS, SERVER_KINDS
from tasks.lifecycles import FileEvent

MAX_LOST = 10
"""How often the system may fail a file before it gives up, whatever the user allows."""


@dataclass(frozen=True, slots=True)
class Tries:
    """What a file has behind it: failures that were its owner's, and the system's."""

    n_failed: int
    n_lost: int
    max_attempts: int


def spends_attempt(pilot_error_code: int, server_error_code: int) -> bool:
    """Whether a failure uses up one of the owner's attempts.

    A lost pilot, preemption or a wall limit never does (reliability.md, I6). A code that is
    not known counts as the payload's.
    """
    if server_error_code:
        kind = SERVER_KINDS.get(server_error_code)
    else:
        kind = KINDS.get(pilot_error_code) if pilot_error_code else None
    return kind is None or kind.spends_attempt


def after_failure(tries: Tries, spends: bool, task_is_ending: bool) -> tuple[FileEvent, Tries]:
    """The event for a file whose job failed, and its tries after that."""
    now = Tries(tries.n_failed + spends, tries.n_lost + (not spends), tries.max_attempts)
    used_up = now.n_failed >= now.max_attempts or now.n_lost >= MAX_LOST
    event = FileEvent.FAILED if used_up or task_is_ending else FileEvent.TO_BE_TRIED_AGAIN
    return event, now
