"""Leases: one owner at a time, a dead one's work is taken over, a late one writes nothing."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from culm.core.errors import LeaseLost
from tasks.stages import STAGES, Claim, Stage
from tasks.store.books import Books
from tasks.store.keeping import kept
from tasks.store.locks import claim_names, release
from tests.builders import a_task, run_stages
from tests.integration.tasks.scene import PAST, rows, run_to_the_end, sql, status, tell, value


def leases(books: Books) -> list[tuple[str, str]]:
    return [(name, owner) for name, owner in rows(books, "SELECT name, owner FROM lock")]


def test_claimed_task_is_nobody_elses(books: Books) -> None:
    task_id = a_task(books)
    stage = STAGES["refine"]
    assert [c.task_id for c in stage.claim(books, "one", 5)] == [task_id]
    assert stage.claim(books, "two", 5) == []
    assert stage.claim(books, "one", 5) == []
    assert leases(books) == [(f"refine/{task_id}", "one")]


def test_claim_that_is_given_back_is_free(books: Books) -> None:
    a_task(books)
    stage = STAGES["refine"]
    stage.give_back(books, stage.claim(books, "one", 5), "one")
    assert len(stage.claim(books, "two", 5)) == 1


def test_others_hold_the_oldest_then_the_next_are_taken(books: Books) -> None:
    ids = [a_task(books) for _ in range(4)]
    stage = STAGES["refine"]
    stage.claim(books, "one", 2)
    assert [c.task_id for c in stage.claim(books, "two", 2)] == ids[2:]


def test_dead_owners_work_is_taken_over_by_the_databases_clock(books: Books) -> None:
    task_id = a_task(books)
    stage = STAGES["refine"]
    dead = stage.claim(books, "dead", 5)
    sql(books, "UPDATE lock SET expires_at = :past", past=PAST)
    taken = stage.claim(books, "heir", 5)
    assert [c.task_id for c in taken] == [task_id]
    with pytest.raises(LeaseLost, match="dead lost the lease"):
        stage.work(books, dead[0], "dead")
    assert status(books, task_id) == "registered"
    assert value(books, "SELECT COUNT(*) FROM dataset") == 0
    stage.work(books, taken[0], "heir")
    assert status(books, task_id) == "defined"
    assert leases(books) == []


def test_owner_that_was_only_slow_and_not_replaced_still_works(books: Books) -> None:
    task_id = a_task(books)
    stage = replace(STAGES["refine"], lease_seconds=0.0)
    stage.work(books, stage.claim(books, "slow", 5)[0], "slow")
    assert status(books, task_id) == "defined"


def test_lease_of_another_is_not_released(books: Books) -> None:
    with books.write() as session:
        assert claim_names(session, ["a", "b"], "one", 60) == {"a", "b"}
        release(session, ["a"], "two")
        assert claim_names(session, ["a", "b", "c"], "two", 60) == {"c"}


@pytest.mark.parametrize("name", [n for n, each in STAGES.items() if isinstance(each, Stage)])
def test_owner_with_a_stale_look_does_nothing(books: Books, name: str) -> None:
    """It saw a task that was ready for the stage; by the time it had the lease, it was not."""
    task_id = a_task(books, n_jobs=2)
    run_to_the_end(books)
    before = rows(books, "SELECT * FROM task"), value(books, "SELECT MAX(id) FROM status_history")
    stale = Claim(task_id, "stale", name)
    with books.write() as session:
        claim_names(session, [stale.lease], "late", 60)
    assert STAGES[name].work(books, stale, "late").message == "the task has moved on"
    after = rows(books, "SELECT * FROM task"), value(books, "SELECT MAX(id) FROM status_history")
    assert (after, leases(books)) == (before, [])


@pytest.mark.parametrize("name", ["kill", "pause", "finish"])
def test_no_job_is_generated_for_a_task_that_was_stopped_meanwhile(books: Books, name: str) -> None:
    task_id = a_task(books, n_jobs=2)
    run_stages(books, "refine", "feed", "assign")
    claims = STAGES["generate"].claim(books, "slow", 5)
    tell(books, task_id, name)
    STAGES["generate"].work(books, claims[0], "slow")
    assert value(books, "SELECT COUNT(*) FROM job") == 0
    run_stages(books)
    assert (
        status(books, task_id) == {"kill": "aborted", "pause": "paused", "finish": "finished"}[name]
    )


def test_many_tasks_that_are_held_do_not_starve_the_younger_ones(books: Books) -> None:
    ids = [a_task(books) for _ in range(25)]
    stage = STAGES["refine"]
    assert len(stage.claim(books, "stuck", 24)) == 24
    assert [c.task_id for c in stage.claim(books, "other", 1)] == ids[24:]


def test_lease_is_kept_while_something_takes_long(books: Books) -> None:
    a_task(books)
    (claim,) = STAGES["refine"].claim(books, "one", 5)
    with kept(books, claim.lease, "one", 0.03):
        sql(books, "UPDATE lock SET expires_at = :past", past=PAST)
        until = time.monotonic() + 60
        while value(books, "SELECT COUNT(*) FROM lock WHERE expires_at = :past", past=PAST):
            assert time.monotonic() < until, "the lease was not renewed"
            time.sleep(0.01)


def test_keeping_a_lease_that_is_anothers_changes_nothing(books: Books) -> None:
    a_task(books)
    (claim,) = STAGES["refine"].claim(books, "one", 5)
    sql(books, "UPDATE lock SET owner = 'two', expires_at = :past", past=PAST)
    with kept(books, claim.lease, "one", 0.001):
        time.sleep(0.05)
    assert rows(books, "SELECT owner FROM lock") == [("two",)]
    assert value(books, "SELECT COUNT(*) FROM lock WHERE expires_at = :past", past=PAST) == 1
