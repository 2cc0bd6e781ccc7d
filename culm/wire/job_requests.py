"""Requests to running jobs: what their owner wants to see, and what the pilot answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

MAX_ANSWER = 65_536
"""The most characters of an answer; the end of what is longer is kept."""
MAX_LINES = 2000
_PATH = {"longest": 1024}


class RequestKind(StrEnum):
    """What can be asked of a running job.

    `debug` and `debugoff` change how often its pilot listens (PanDA: set_debug_mode).
    """

    TAIL = "tail"
    LS = "ls"
    PS = "ps"
    DEBUG = "debug"
    DEBUG_OFF = "debugoff"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJobRequest:
    """A request as its owner makes it: `path` is below the job's directory."""

    kind: RequestKind
    path: str = field(default="", metadata=_PATH)
    n_lines: int = field(default=20, metadata={"minimum": 1, "maximum": MAX_LINES})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A request as a pilot gets it, in the answer to a report of the job; until it is answered."""

    request_id: int
    kind: RequestKind
    path: str = field(default="", metadata=_PATH)
    n_lines: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAnswer:
    """A pilot's answer: what was asked for, or in words why it cannot be had."""

    is_good: bool
    text: str = field(default="", metadata={"multiline": True, "longest": MAX_ANSWER})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequestView:
    """A request and, once `answered_at` is there, its answer. `job_status` is that of now."""

    request_id: int
    job_id: int
    kind: str
    path: str
    asked_by: str
    asked_at: str
    job_status: str
    answered_at: str | None = None
    is_good: bool = False
    answer: str = ""
