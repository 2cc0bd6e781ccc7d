"""Rules of the retry module as an operator gives and sees them (documentation, 20)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class ErrorSource(StrEnum):
    """Who booked an error: the payload's exit code, the pilot's code, or a server's."""

    PAYLOAD = "payload"
    PILOT = "pilot"
    DISPATCHER = "dispatcher"
    TASK_BUFFER = "task_buffer"


class RetryAction(StrEnum):
    """What a rule does to the retries of a failed job's input."""

    NO_RETRY = "no_retry"
    LIMIT_RETRY = "limit_retry"
    INCREASE_MEMORY = "increase_memory"
    INCREASE_CPU_TIME = "increase_cpu_time"
    REDUCE_INPUT = "reduce_input"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRetryRule:
    """A rule: errors of this source, with this code and a message like this, get this action.

    `code` None: any. `pattern` is a Python regular expression, searched in the message; empty:
    any. `max_retries` goes with `limit_retry`. A rule that is not `active` only says in the
    log what it would do. Empty `architecture`, `release` and `work_queue`: all of them.
    """

    source: ErrorSource
    action: RetryAction
    code: int | None = field(default=None, metadata={"minimum": -(2**31), "maximum": 2**31 - 1})
    pattern: str = field(default="", metadata={"longest": 1000})
    max_retries: int | None = field(default=None, metadata={"minimum": 0, "maximum": 100})
    active: bool = True
    architecture: str = field(default="", metadata={"longest": 255})
    release: str = field(default="", metadata={"longest": 255})
    work_queue: str = field(default="", metadata={"longest": 64})
    description: str = field(default="", metadata={"longest": 1000})


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRuleView:
    """A rule of the books, its number, and who made it when."""

    rule_id: int
    source: ErrorSource
    action: RetryAction
    code: int | None = None
    pattern: str = ""
    max_retries: int | None = None
    active: bool = True
    architecture: str = ""
    release: str = ""
    work_queue: str = ""
    description: str = ""
    changed_by: str = ""
    changed_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRuleList:
    """All rules in order of their numbers."""

    rules: tuple[RetryRuleView, ...]
