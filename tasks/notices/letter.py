"""The words of a notice. Pure: what a task came to in, text out (psequencer, Getting started)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from typing import Any

from culm.wire.codec import encode
from culm.wire.notices import TaskSummary

SUBJECT = "PANDA notification for JobID : "
TASK_HEADER = "X-Culm-Task"


def letter(summary: TaskSummary, notice_id: int, sender: str, to: str) -> EmailMessage:
    """The mail of a notice. A notice that is sent again bears the same Message-ID."""
    message = EmailMessage()
    message["Subject"] = f"{SUBJECT}{summary.task_id} ({summary.status})"
    message["From"] = sender
    message["To"] = to
    message["Message-ID"] = f"<culm-notice-{notice_id}-{summary.task_id}@{_domain(sender)}>"
    message["Auto-Submitted"] = "auto-generated"
    message[TASK_HEADER] = str(summary.task_id)
    message.set_content("\n".join(lines(summary)) + "\n")
    return message


def lines(summary: TaskSummary) -> Iterator[str]:
    """The text, line by line: what the documentation maps to attributes of a result."""
    yield f"Summary of JobID : {summary.task_id}"
    yield ""
    yield f"Created : {_moment(summary.created_at)}"
    yield f"Ended   : {_moment(summary.ended_at)}"
    yield ""
    yield f"Site      : {','.join(summary.sites)}"
    yield ""
    yield f"Total Number of Jobs : {summary.n_jobs}"
    yield f"      Succeeded : {summary.n_succeeded}"
    yield f"      Partial   : {summary.n_partial}"
    yield f"      Failed    : {summary.n_failed}"
    yield ""
    for name in summary.inputs:
        yield f"In  : {name}"
    for name in summary.outputs:
        yield f"Out : {name}"
    yield ""
    yield f"Name   : {summary.name}"
    yield f"Status : {summary.status}"
    if summary.reason:
        yield f"Reason : {' '.join(summary.reason.split())}"


def document(summary: TaskSummary, notice_id: int) -> dict[str, Any]:
    """The JSON value of a notice by webhook."""
    return {"event": "task ended", "notice_id": notice_id, "task": encode(summary)}


def _moment(text: str | None) -> str:
    if text is None:
        return ""
    return datetime.fromisoformat(text).strftime("%Y-%m-%d %H:%M:%S (UTC)")


def _domain(sender: str) -> str:
    return sender.rstrip(">").rpartition("@")[2] or "localhost"
