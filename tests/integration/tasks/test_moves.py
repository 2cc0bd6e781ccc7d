"""Moves: compare-and-set, history, final statuses that absorb; and bulk verbs."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from sqlalchemy import select

from tasks.lifecycles import JobEvent, TaskEvent
from tasks.store.books import Books
from tasks.store.bulk import id_in, insert_rows, text_in
from tasks.store.ids import take_ids
from tasks.store.moves import Why, database_time, move_jobs, move_tasks
from tasks.store.tables import CATALOG_FILE, TASK
from tasks.tables import CatalogFile
from tests.builders import a_task, run_stages
from tests.integration.tasks.racers import Racers
from tests.integration.tasks.scene import rows, run_to_the_end, sql, value


def test_of_two_processes_that_move_at_once_exactly_one_wins(books: Books, racers: Racers) -> None:
    for _ in range(5):
        task_id = a_task(books)
        won = racers.race(books.url, "move", task_id=task_id, event="kill_requested")
        assert sorted(won) == [[], [task_id]]
        assert value(books, "SELECT COUNT(*) FROM status_history WHERE entity_id = :i "
                     "AND event = 'kill_requested'", i=task_id) == 1  # fmt: skip


def test_two_events_at_once_give_one_way_through_the_graph(books: Books, racers: Racers) -> None:
    for _ in range(5):
        task_id = a_task(books)
        each = ({"event": "kill_requested"}, {"event": "finish_requested"})
        racers.race(books.url, "move", each, task_id=task_id)
        way = rows(books, "SELECT from_status, to_status FROM status_history WHERE entity_id = :i "
                   "ORDER BY id", i=task_id)  # fmt: skip
        assert all(one[1] == two[0] for one, two in pairwise(way))
        assert way[-1][1] == value(books, "SELECT status FROM task WHERE id = :i", i=task_id)


def test_history_says_who_when_and_why(books: Books) -> None:
    task_id = a_task(books)
    with books.write() as session:
        before = database_time(session)
        why = Why("alice", "no more")
        assert move_tasks(session, [task_id, 7], TaskEvent.KILL_REQUESTED, why) == [task_id]
    at = "SELECT at FROM status_history WHERE actor = 'alice' AND reason = 'no more'"
    assert rows(books, "SELECT event, from_status, to_status, actor, reason FROM status_history "
                "ORDER BY id")[-1] == (
        "kill_requested", "registered", "aborting", "alice", "no more",
    )  # fmt: skip
    when = value(books, at)
    when = datetime.fromisoformat(when).replace(tzinfo=UTC) if isinstance(when, str) else when
    assert abs((when - before).total_seconds()) < 5
    run_stages(books)


@pytest.mark.parametrize("event", TaskEvent)
def test_final_status_absorbs_every_event_but_reopening_ones(
    books: Books, event: TaskEvent
) -> None:
    task_id = a_task(books)
    sql(books, "UPDATE task SET status = 'broken'")
    sql(books, "UPDATE status_history SET to_status = 'broken', from_status = ''")
    with books.write() as session:
        assert move_tasks(session, [task_id], event, Why("test")) == []


def test_ended_job_takes_no_event(books: Books) -> None:
    a_task(books)
    run_to_the_end(books)
    before = rows(books, "SELECT * FROM job")
    with books.write() as session:
        for event in JobEvent:
            assert move_jobs(session, [1], event, Why("test")) == []
    assert rows(books, "SELECT * FROM job") == before


def test_version_rises_with_every_move(books: Books) -> None:
    task_id = a_task(books)
    before = value(books, "SELECT version FROM task")
    with books.write() as session:
        move_tasks(session, [task_id], TaskEvent.KILL_REQUESTED, Why("test"))
        move_tasks(session, [task_id], TaskEvent.RESUMED, Why("test"))
    assert value(books, "SELECT version FROM task") == before + 1


def test_nothing_moves_nothing(books: Books) -> None:
    with books.write() as session:
        assert move_tasks(session, [], TaskEvent.KILL_REQUESTED, Why("test")) == []


def test_100_000_ids_are_one_statement(books: Books) -> None:
    count = 100_000
    with books.write() as session:
        ids = take_ids(session, "catalog", count)
        names = ("id", "dataset_id", "lfn", "size_bytes", "adler32")
        new = ((i, 1_000_000, f"f{i}", 1, "00000001") for i in ids)
        assert insert_rows(session, CatalogFile, names, new) == count
        run = session.connection().execute
        found = run(select(CATALOG_FILE.c.id).where(id_in(CATALOG_FILE.c.id, ids, session)))
        assert len(found.all()) == count
        lfns = [f"f{i}" for i in ids] + ["x"]
        found = run(select(CATALOG_FILE.c.id).where(text_in(CATALOG_FILE.c.lfn, lfns, session)))
        assert len(found.all()) == count
        session.rollback()


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21])
def test_any_number_of_rows_is_inserted(books: Books, count: int) -> None:
    odd = 'a\tb\\n"\u00e9%s\n'
    with books.write() as session:
        names = ("id", "dataset_id", "lfn", "size_bytes", "adler32", "n_events")
        new = [(i, 1, f"{i}{odd}", 2**40, "0", None) for i in range(count)]
        assert insert_rows(session, CatalogFile, names, new) == count
        found = session.connection().execute(
            select(CATALOG_FILE.c.id, CATALOG_FILE.c.dataset_id, CATALOG_FILE.c.lfn,
                   CATALOG_FILE.c.size_bytes, CATALOG_FILE.c.adler32, CATALOG_FILE.c.n_events)
            .order_by(CATALOG_FILE.c.id)
        )  # fmt: skip
        assert [tuple(row) for row in found] == new
        session.rollback()


def test_no_ids_find_nothing(books: Books) -> None:
    a_task(books)
    with books.read() as session:
        assert session.connection().execute(
            select(TASK.c.id).where(id_in(TASK.c.id, [], session))
        ).all() == []  # fmt: skip


def test_ids_are_never_given_twice_even_after_a_rollback(books: Books) -> None:
    seen: list[int] = []
    for keep in (True, False, True):
        with books.write() as session:
            seen += take_ids(session, "file", 3) if keep else ()
            if not keep:
                take_ids(session, "file", 3)
                session.rollback()
    assert len(set(seen)) == 6
    assert seen == sorted(seen)
