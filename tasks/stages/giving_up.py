"""Ready input that fails without another job: no try of it is worth it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, and_, update
from sqlmodel import Session

from tasks.lifecycles import FileEvent
from tasks.store.moves import move_files
from tasks.store.tables import DATASET, FILE


def give_up(session: Session, dataset_ids: Iterable[int], *where: ColumnElement[bool]) -> int:
    """The ready files of these datasets, or those of them that a condition names, have failed;
    the counters follow. Gives how many.
    """
    c, n_files = DATASET.c, 0
    for dataset_id in dataset_ids:
        here = and_(FILE.c.dataset_id == dataset_id, *where)
        count = move_files(session, here, FileEvent.GIVEN_UP)
        session.connection().execute(
            update(DATASET).where(c.id == dataset_id)
            .values(n_files_used=c.n_files_used + count, n_files_failed=c.n_files_failed + count)
        )  # fmt: skip
        n_files += count
    return n_files
