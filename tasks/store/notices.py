"""Notices are made in the transaction that ends a task: none is lost, none is made twice."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, literal, select
from sqlmodel import Session

from tasks.store.bulk import id_in
from tasks.store.tables import NOTICE, NOTICE_ADDRESS, TASK
from tasks.tables.columns import db_now


def make_notices(session: Session, task_ids: Sequence[int]) -> None:
    """A notice of the end of these tasks for every address of their owners."""
    if not task_ids:
        return
    found = (
        select(
            TASK.c.id, TASK.c.version, NOTICE_ADDRESS.c.id, TASK.c.user_name,
            NOTICE_ADDRESS.c.kind, NOTICE_ADDRESS.c.target, literal(0), db_now(), db_now(),
            literal(""),
        )
        .join(NOTICE_ADDRESS, NOTICE_ADDRESS.c.user_name == TASK.c.user_name)
        .where(id_in(TASK.c.id, task_ids, session))
    )  # fmt: skip
    columns = ("task_id", "task_version", "address_id", "user_name", "kind", "target", "n_tries",
               "next_try_at", "made_at", "error")  # fmt: skip
    session.connection().execute(insert(NOTICE).from_select(columns, found))
