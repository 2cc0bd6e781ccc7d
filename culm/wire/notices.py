"""Notices: what a task came to when it ended, and where its owner wants to be told.

Times are ISO 8601 strings in UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

_TARGET = re.compile(r"[^\s\x00-\x1f\x7f<>,;\"]+")


class NoticeKind(StrEnum):
    """How a notice is sent."""

    MAIL = "mail"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSummary:
    """What a task came to. `sites` are queues that its jobs went to, most jobs first.

    `n_jobs` counts each piece of work once, by its last attempt: `n_succeeded` of them finished,
    `n_failed` ended otherwise; `n_partial` did a part of their events.
    """

    task_id: int
    name: str
    user: str
    status: str
    final: bool
    reason: str
    created_at: str
    ended_at: str | None
    sites: tuple[str, ...] = ()
    n_jobs: int = 0
    n_succeeded: int = 0
    n_partial: int = 0
    n_failed: int = 0
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNoticeAddress:
    """Where you want notices: an address of mail, or the http(s) URL of a webhook."""

    kind: NoticeKind
    target: str = field(
        metadata={"pattern": _TARGET, "rule": "an address without blanks", "longest": 500}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeAddressView:
    """An address. A webhook's `secret` is the key that its notices are signed with."""

    address_id: int
    kind: NoticeKind
    target: str
    created_at: str
    secret: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeAddressList:
    """Your addresses, oldest first."""

    addresses: tuple[NoticeAddressView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeView:
    """A notice: `waiting`, `sent` or `given up`, after how many tries, and the last error."""

    notice_id: int
    task_id: int
    kind: NoticeKind
    target: str
    state: str
    n_tries: int
    made_at: str
    sent_at: str | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeList:
    """Your last notices, newest first."""

    notices: tuple[NoticeView, ...]
