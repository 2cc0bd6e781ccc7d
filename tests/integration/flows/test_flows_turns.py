"""Turns: the period and the one machine at a time hold over all machines."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

import pytest
from sqlalchemy import select, text

from flows import turns
from flows.table import Row
from flows.turns import RUNS, run_row
from tasks.store.books import Books
from tests.integration.flows.prefect_scene import wait_until

CALLS: list[str] = []
GATE = threading.Event()


def noted(books: Books, words: str = "did it") -> str:
    CALLS.append(words)
    return words


def gated(books: Books) -> str:
    CALLS.append("gated")
    assert GATE.wait(20)
    return ""


def three_pages(books: Books) -> str:
    CALLS.append("page")
    return "a page" if len(CALLS) < 3 else ""


def broken(books: Books) -> str:
    CALLS.append("broken")
    raise ValueError("no")


ROW = Row(
    name="noted",
    words="",
    function="tests.integration.flows.test_flows_turns:noted",
    period_seconds=300,
)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    CALLS.clear()
    GATE.clear()


def forget_turn(books: Books) -> None:
    with books.write() as session:
        session.connection().execute(text("DELETE FROM lock WHERE name LIKE 'turn:%'"))


def test_row_runs_once_a_period_over_all_machines(books: Books) -> None:
    assert [run_row(ROW, books, owner) for owner in ("a", "b", "a")] == ["did it", "", ""]
    forget_turn(books)
    assert run_row(ROW, books, "b") == "did it"


def test_row_that_is_not_sync_runs_on_every_machine(books: Books) -> None:
    each = replace(ROW, sync=False)

    assert [run_row(each, books, owner) for owner in ("a", "b")] == ["did it", "did it"]


def test_run_is_noted_with_owner_and_words(books: Books) -> None:
    run_row(replace(ROW, arguments={"words": "3 rows"}), books, "host:1:ab")

    with books.read() as session:
        [run] = session.connection().execute(select(RUNS)).all()
    assert (run.name, run.owner, run.n_runs, run.message) == ("noted", "host:1:ab", 1, "3 rows")
    assert run.started_at <= run.ended_at


def test_loop_row_goes_on_while_it_finds_something(books: Books) -> None:
    run_row(
        replace(ROW, function="tests.integration.flows.test_flows_turns:three_pages", loop=True),
        books,
        "a",
    )

    assert CALLS == ["page"] * 3


def test_row_that_fails_gives_the_lock_back(books: Books) -> None:
    row = replace(ROW, function="tests.integration.flows.test_flows_turns:broken")
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            run_row(row, books, "a")
        forget_turn(books)
    assert len(CALLS) == 2


def test_run_that_overstays_keeps_others_out_and_is_warned_about(
    books: Books, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(turns, "LEASE_SECONDS", 0.9)
    monkeypatch.setattr(turns, "RENEW_SECONDS", 0.1)
    caplog.set_level(logging.WARNING, "flows.turns")
    row = replace(
        ROW, function="tests.integration.flows.test_flows_turns:gated", period_seconds=0.2
    )
    first = threading.Thread(target=run_row, args=(row, books, "a"))
    first.start()
    wait_until(lambda: caplog.records)

    # Twice the lease has passed, the period more often: the lock is kept alive.
    threading.Event().wait(2)
    assert run_row(row, books, "b") == ""
    assert CALLS == ["gated"]

    GATE.set()
    first.join(10)
    assert [r.getMessage() for r in caplog.records] == [
        "noted still runs after 0 s, its period is 0 s"
    ]
