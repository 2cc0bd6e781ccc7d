"""Tasks in the words of a client that knows no TaskSpec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlmodel import Session

from tasks.tables import TaskOriginal


def keep_original(session: Session, task_id: int, document: Mapping[str, Any]) -> None:
    """Keep what the client submitted, or submitted anew."""
    session.merge(TaskOriginal(task_id=task_id, document=dict(document)))


def original_of(session: Session, task_id: int) -> dict[str, Any] | None:
    """What the client submitted; None for a task that came as a TaskSpec."""
    row = session.get(TaskOriginal, task_id)
    return None if row is None else row.document
