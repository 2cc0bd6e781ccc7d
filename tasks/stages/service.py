"""Since when the service answers without a gap: a deaf server expires no leases."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, case, select, text, update
from sqlmodel import Session

from tasks.store.moves import database_time
from tasks.store.tables import core
from tasks.tables import ScheduleRun
from tasks.tables.columns import UtcDateTime, db_now

BEAT_SECONDS = 5.0
GAP_SECONDS = 20.0
_RUN = core(ScheduleRun)
_NAME = "server"


def beat(session: Session, owner: str) -> None:
    """Note that a server answers now; to be called every `BEAT_SECONDS` by each server."""
    # Two servers may give the first beat at once.
    session.connection().execute(_FIRST, {"owner": owner, "now": database_time(session)})
    gap = _RUN.c.ended_at < db_now(-GAP_SECONDS)
    session.connection().execute(
        update(_RUN).where(_RUN.c.name == _NAME)
        .values(started_at=case((gap, db_now()), else_=_RUN.c.started_at), ended_at=db_now(),
                owner=owner, n_runs=_RUN.c.n_runs + 1)
    )  # fmt: skip


_FIRST = text(
    "INSERT INTO schedule_run (name, owner, started_at, ended_at, n_runs, message) "
    "VALUES ('server', :owner, :now, :now, 0, '') ON CONFLICT DO NOTHING"
).bindparams(bindparam("now", type_=UtcDateTime))


def answering_since(session: Session) -> datetime | None:
    """Since when some server has answered without a gap; None if none answers now."""
    row = session.connection().execute(
        select(_RUN.c.started_at)
        .where(_RUN.c.name == _NAME, _RUN.c.ended_at >= db_now(-GAP_SECONDS))
    ).first()  # fmt: skip
    return row[0] if row else None
