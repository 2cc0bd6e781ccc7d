"""Hot statements: the same values and the same errors as by SQLAlchemy's own way."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, insert, select, text, update
from sqlalchemy.exc import IntegrityError, ProgrammingError

from culm.core.errors import Busy
from tasks.lifecycles import JobEvent
from tasks.store.books import Books
from tasks.store.bulk import ids_among, one_of
from tasks.store.moves import EachJobMove, Why, database_time
from tasks.store.prepared import Prepared
from tasks.store.tables import JOB, LOCK, QUEUE
from tasks.tables.columns import db_now
from tests.builders import a_task, run_stages
from tests.integration.tasks.scene import rows

_PUT = Prepared(
    insert(LOCK).values(
        name=bindparam("name"), owner=bindparam("owner"), expires_at=bindparam("until")
    )
)
_LOCKS = Prepared(select(LOCK.c.owner, LOCK.c.expires_at).where(LOCK.c.name == bindparam("name")))
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_values_go_in_and_come_out_as_by_core(books: Books) -> None:
    with books.write() as session:
        _PUT.change(session, name="a", owner="me", until=NOON)
        assert _LOCKS.rows(session, name="a") == [("me", NOON)]
        by_core = session.connection().execute(select(LOCK.c.expires_at)).scalar_one()
    assert by_core == NOON


def test_documents_come_out_parsed(books: Books) -> None:
    with books.write() as session:
        session.connection().execute(update(QUEUE).values(settings={"core_count": 8}))
        assert Prepared(select(QUEUE.c.settings)).column(session) == [{"core_count": 8}]


def test_values_that_the_statement_brings_itself_stay(books: Books) -> None:
    with books.write() as session:
        _PUT.change_each(session, [{"name": n, "owner": n, "until": NOON} for n in "abc"])
        some = Prepared(select(LOCK.c.name).where(one_of(LOCK.c.owner, ["a", "c"])))
        assert sorted(some.column(session)) == ["a", "c"]
        emptied = Prepared(update(LOCK).where(LOCK.c.name == "b").values(owner="", expires_at=NOON))
        assert emptied.change(session) == 1


def test_list_that_is_no_single_value_is_refused_when_it_is_compiled(books: Books) -> None:
    statement = Prepared(select(JOB.c.id).where(JOB.c.id.in_([1, 2])))
    with books.read() as session, pytest.raises(TypeError, match="ids_among"):
        statement.rows(session)


def test_many_ids_are_one_value(books: Books) -> None:
    found = Prepared(select(QUEUE.c.id).where(ids_among(QUEUE.c.id)))
    with books.read() as session:
        assert len(found.column(session, ids=list(range(100_000)))) == 1


def test_error_of_the_driver_is_sqlalchemys(books: Books) -> None:
    with pytest.raises(IntegrityError), books.write() as session:
        _PUT.change_each(session, [{"name": "a", "owner": "", "until": NOON}] * 2)
    assert rows(books, "SELECT name FROM lock") == []


def test_cut_connection_is_busy_and_the_next_transaction_works(books: Books) -> None:
    if books.is_sqlite:
        pytest.skip("SQLite has no connection to cut")
    with pytest.raises(Busy):
        _ask_on_a_cut_connection(books)
    with books.write() as session:
        assert _PUT.change(session, name="a", owner="me", until=NOON) == 1


def _ask_on_a_cut_connection(books: Books) -> None:
    with books.write() as session:
        (own,) = session.connection().execute(text("SELECT pg_backend_pid()")).one()
        with books.write() as other:
            other.connection().execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": own})
        database_time(session)


def test_wrong_statement_is_named(books: Books) -> None:
    if books.is_sqlite:
        pytest.skip("a statement that only PostgreSQL finds wrong")
    with books.read() as session, pytest.raises(ProgrammingError, match="nowhere"):
        Prepared(text("SELECT 1 FROM nowhere")).rows(session)


_START = EachJobMove(
    JobEvent.DISPATCHED, node=bindparam("host"), pilot_id=1, lease_expires_at=db_now(60)
)


def test_each_job_gets_its_own_values_and_its_history(books: Books) -> None:
    a_task(books, n_jobs=3)
    run_stages(books)
    jobs = [row[0] for row in rows(books, "SELECT id FROM job ORDER BY id")]
    seen = dict(zip(jobs, ("activated", "activated", "running"), strict=True))
    with books.write() as session:
        values = {job: {"host": f"node{job}"} for job in jobs}
        assert _START.move(session, seen, values, Why("test", "because")) == jobs[:2]
    found = rows(books, "SELECT status, node FROM job ORDER BY id")
    assert found == [("sent", f"node{jobs[0]}"), ("sent", f"node{jobs[1]}"), ("activated", "")]
    history = "SELECT entity_id, event, actor, reason FROM status_history WHERE noun = 'job'"
    assert rows(books, f"{history} ORDER BY entity_id") == [
        (job, "dispatched", "test", "because") for job in jobs[:2]
    ]


def test_job_that_moved_meanwhile_writes_nothing_of_the_batch(books: Books) -> None:
    a_task(books, n_jobs=2)
    run_stages(books)
    jobs = [row[0] for row in rows(books, "SELECT id FROM job ORDER BY id")]
    with books.write() as session:
        _START.move(session, {jobs[0]: "activated"}, {jobs[0]: {"host": "a"}}, Why("test"))
    seen = dict.fromkeys(jobs, "activated")
    with pytest.raises(RuntimeError, match="1 of 2 activated jobs"), books.write() as session:
        _START.move(session, seen, {job: {"host": "b"} for job in jobs}, Why("test"))
    assert rows(books, "SELECT status, node FROM job ORDER BY id") == [
        ("sent", "a"), ("activated", ""),
    ]  # fmt: skip
