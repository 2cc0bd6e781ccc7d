"""Dispatch: each job once, to a pilot that has room for it, and the same again if asked again."""

from __future__ import annotations

from typing import Any

import pytest

from culm.core.errors import NotFound
from culm.wire.job_spec import PilotSpec, WorkAnswer, WorkRequest
from tasks.queue_changes import set_queue, set_queue_status
from tasks.retry_rules import FREE_LOSSES, MAX_LOST
from tasks.stages.dispatch import dispatch, sign_off, sign_on
from tasks.statuses import QueueStatus
from tasks.store.books import Books
from tasks.why.task import why_task
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.racers import Racers
from tests.integration.tasks.scene import PAST, end_pauses, expire_leases, rows, sql, status, value


def waiting_jobs(books: Books, n_jobs: int = 3, **changes: Any) -> int:
    task_id = a_task(books, n_jobs=n_jobs, **changes)
    run_stages(books)
    return task_id


def ask(books: Books, *asked: tuple[int, str], **changes: Any) -> list[WorkAnswer]:
    """Requests of (pilot, key) in one batch."""
    values = {"n_jobs": 1, "core_count": 64, "memory_mb": 10**6, "disk_mb": 10**6} | changes
    requests = [(pilot, WorkRequest(request_key=key, **values)) for pilot, key in asked]
    with books.write() as session:
        return dispatch(session, requests)


def ids(answers: list[WorkAnswer]) -> list[list[int]]:
    return [[job.job_id for job in answer.jobs] for answer in answers]


def test_two_processes_that_claim_1000_jobs_get_each_once(books: Books, racers: Racers) -> None:
    waiting_jobs(books, 1000, skip_scouts=True)
    pilots = [a_pilot(books), a_pilot(books)]
    got = racers.race(books.url, "dispatch", ({"seed": 0}, {"seed": 1}), pilots=pilots, n_jobs=20)
    both = [job for some in got for job in some]
    assert len(both) == len(set(both)) == 1000
    assert min(len(some) for some in got) > 0
    assert rows(books, "SELECT DISTINCT status FROM job") == [("sent",)]


def test_repeated_request_gets_the_same_jobs(books: Books) -> None:
    waiting_jobs(books)
    pilot = a_pilot(books)
    first = get_work(books, pilot, request_key="k", n_jobs=2)
    again = get_work(books, pilot, request_key="k", n_jobs=2)
    assert (first.jobs, len(first.jobs)) == (again.jobs, 2)
    assert len(get_work(books, pilot, request_key="other").jobs) == 1


def test_request_that_is_twice_in_a_batch_gets_its_jobs_once(books: Books) -> None:
    waiting_jobs(books)
    pilot, other = a_pilot(books), a_pilot(books)
    answers = ids(ask(books, (pilot, "k"), (pilot, "k"), (other, "k")))
    assert answers[0] == answers[1]
    assert len({job for some in answers for job in some}) == 2


def test_pilot_that_signed_off_gets_nothing_and_spoils_nothing(books: Books) -> None:
    waiting_jobs(books)
    gone, here = a_pilot(books), a_pilot(books)
    report(books, gone, a_report(ask(books, (gone, "k"))[0].jobs[0], "running"))
    with books.write() as session:
        sign_off(session, gone)
    answers = ask(books, (gone, "k"), (here, "k"), (999, "k"))
    assert [(len(a.jobs), a.sign_off) for a in answers] == [(0, True), (1, False), (0, True)]


def test_order_is_by_priority_then_age(books: Books) -> None:
    low, high = waiting_jobs(books, 1), waiting_jobs(books, 2, priority=1050)
    jobs = get_work(books, a_pilot(books)).jobs
    assert [job.task_id for job in jobs] == [high, high, low]
    assert jobs[0].job_id < jobs[1].job_id


@pytest.mark.parametrize(
    ("needs", "has", "fits"),
    [
        ({"core_count": 4}, {"core_count": 4}, True),
        ({"core_count": 4}, {"core_count": 3}, False),
        ({"memory_mb": 4000}, {"memory_mb": 4000}, True),
        ({"memory_mb": 4000}, {"memory_mb": 3999}, False),
        ({"disk_mb": 50}, {"disk_mb": 50}, True),
        ({"disk_mb": 50}, {"disk_mb": 49}, False),
        ({"walltime_seconds": 60}, {"minutes_left": 1.0}, True),
        ({"walltime_seconds": 61}, {"minutes_left": 1.0}, False),
        ({"walltime_seconds": 61}, {"minutes_left": None}, True),
        ({"walltime_seconds": 60}, {"minutes_left": 0.0}, False),
    ],
)
def test_job_goes_only_where_there_is_room(
    books: Books, needs: dict[str, Any], has: dict[str, Any], fits: bool
) -> None:
    waiting_jobs(books, 1, **needs)
    assert len(get_work(books, a_pilot(books), **has).jobs) == fits


def test_big_job_does_not_block_small_ones(books: Books) -> None:
    waiting_jobs(books, 1, core_count=8, priority=1100)
    small = waiting_jobs(books, 1)
    assert [j.task_id for j in get_work(books, a_pilot(books), core_count=1).jobs] == [small]


@pytest.mark.parametrize(
    ("state", "n_jobs", "off"),
    [("online", 1, False), ("paused", 0, False), ("offline", 0, True), ("brokeroff", 1, False)],
)
def test_status_of_the_queue_decides(books: Books, state: str, n_jobs: int, off: bool) -> None:
    waiting_jobs(books, 1)
    pilot = a_pilot(books)
    with books.write() as session:
        set_queue_status(session, "LOCAL", QueueStatus(state))
    answer = get_work(books, pilot)
    assert (len(answer.jobs), answer.sign_off) == (n_jobs, off)


def test_task_that_no_queue_takes_waits_and_goes_on_when_one_comes_back(books: Books) -> None:
    with books.write() as session:
        set_queue_status(session, "LOCAL", QueueStatus.OFFLINE)
    task_id = waiting_jobs(books, 1)
    assert status(books, task_id) == "pending"
    assert value(books, "SELECT reason FROM task") == (
        "no queue takes its jobs: LOCAL: it is offline"
    )
    with books.write() as session:
        set_queue_status(session, "LOCAL", QueueStatus.ONLINE)
    run_stages(books)
    assert status(books, task_id) == "running"


def test_task_without_any_storage_waits_and_goes_on_when_there_is_one(books: Books) -> None:
    there = rows(books, "SELECT queue_id, endpoint_id FROM queue_storage")
    sql(books, "DELETE FROM queue_storage")
    task_id = waiting_jobs(books, 1)
    assert status(books, task_id) == "pending"
    sql(books, "INSERT INTO queue_storage (queue_id, endpoint_id) VALUES (:q, :e)",
        q=there[0][0], e=there[0][1])  # fmt: skip
    sql(books, "UPDATE task SET feed_at = :past WHERE feed_at IS NOT NULL", past=PAST)
    run_stages(books)
    assert status(books, task_id) == "running"


def test_retries_wait_for_their_queue_and_the_task_ends_all_the_same(books: Books) -> None:
    task_id = waiting_jobs(books, 2)
    pilot = a_pilot(books)
    good, bad = get_work(books, pilot).jobs
    with books.write() as session:
        set_queue_status(session, "LOCAL", QueueStatus.OFFLINE)
    report(books, pilot, a_report(bad, "failed", pilot_error_code=1305))
    run_stages(books)
    assert status(books, task_id) == "pending"
    report(books, pilot, a_report(good))
    run_stages(books)
    assert status(books, task_id) == "pending"
    with books.write() as session:
        set_queue_status(session, "LOCAL", QueueStatus.ONLINE)
    run_stages(books)
    report(books, pilot, *(a_report(job) for job in get_work(books, pilot).jobs))
    run_stages(books)
    assert status(books, task_id) == "done"


def test_lease_lasts_as_the_queue_says(books: Books) -> None:
    with books.write() as session:
        set_queue(session, "LOCAL", "LOCAL", {"lease_seconds": 7200, "heartbeat_seconds": 60})
    waiting_jobs(books, 1)
    job = get_work(books, a_pilot(books)).jobs[0]
    assert (job.lease_seconds, job.heartbeat_seconds) == (7200, 60)
    with books.read() as session:
        from sqlalchemy import select

        from tasks.store.tables import JOB
        from tasks.tables.columns import db_now

        over = select(JOB.c.id).where(JOB.c.lease_expires_at > db_now(7000))
        assert len(session.connection().execute(over).all()) == 1


def test_job_spec_says_all_that_a_pilot_needs(books: Books) -> None:
    data, other = a_dataset(books, 2), a_dataset(books, 1)
    task_id = a_task(
        books, command="run %IN %IN2 > %OUT", outputs=["out.txt"], n_files_per_job=2,
        inputs=[{"datasets": [data]}, {"stream": "IN2", "datasets": [other]}], core_count=2,
    )  # fmt: skip
    run_stages(books)
    job = get_work(books, a_pilot(books)).jobs[0]
    assert job.command == "run f000000.dat,f000001.dat f000000.dat > out.txt"
    assert [(f.stream, f.lfn, f.urls, f.size_bytes, f.adler32) for f in job.inputs] == [
        (stream, lfn, (f"file:///nowhere/{name}/{lfn}",), 1000, "00000001")
        for stream, name, lfn in (
            ("IN", data, "f000000.dat"), ("IN", data, "f000001.dat"), ("IN2", other, "f000000.dat")
        )
    ]  # fmt: skip
    assert [(f.kind, f.local_name, f.lfn) for f in job.outputs] == [
        ("output", "out.txt", f"user.alice.{task_id}._000001.out.txt"),
        ("log", "log.tgz", f"{job.task_name}.log.{task_id}.000001.log.tgz"),
    ]
    assert all(f.url.endswith(f"/{f.lfn}") and f.url.startswith("file:///") for f in job.outputs)
    assert (job.core_count, job.attempt_nr, job.task_id) == (2, 1, task_id)


def test_pilot_at_an_unknown_queue_is_told_the_nearest(books: Books) -> None:
    spec = PilotSpec(queue="LOCALE", host="h", process_id=1, version="1")
    with pytest.raises(NotFound, match="did you mean LOCAL"), books.write() as session:
        sign_on(session, spec)


def test_job_that_was_never_started_costs_its_owner_nothing_but_has_an_end(books: Books) -> None:
    waiting_jobs(books, 1, max_attempts=1)
    pilot = a_pilot(books)
    for attempt in range(1, MAX_LOST + 1):
        job = get_work(books, pilot).jobs[0]
        assert job.attempt_nr == attempt
        assert value(books, "SELECT n_failed FROM file WHERE status = 'running' LIMIT 1") == 0
        assert expire_leases(books) == "1 jobs lost"
        if attempt == FREE_LOSSES + 1:
            run_stages(books)
            assert not get_work(books, pilot).jobs  # its input pauses: an outage may end meanwhile
            with books.read() as session:
                assert "the next try is in" in why_task(session, job.task_id).summary
        end_pauses(books)
        run_stages(books)
    # A pilot that takes work and never starts it must not keep a file going round for ever.
    assert not get_work(books, pilot).jobs
    assert value(books, "SELECT n_lost FROM file WHERE n_lost > 0") == MAX_LOST
