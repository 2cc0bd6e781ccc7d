"""Why a task or job stands where it stands: hindrances, each with what would help."""

from __future__ import annotations

from typing import Any

import pytest

from culm.core.errors import NotFound
from culm.wire.why import Why
from tasks.grid_changes import write_grid
from tasks.queue_changes import set_queue_status
from tasks.stages.locality import update_locality
from tasks.stages.share_counts import count_shares
from tasks.stages.task_withholder import task_withholder
from tasks.statuses import QueueStatus
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tasks.why.job import why_job
from tasks.why.task import why_task
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import PAST, expire_leases, sql, status, tell, value


def asked(books: Books, task_id: int, *, with_queues: bool = False) -> Why:
    with books.read() as session:
        return why_task(session, task_id, with_queues=with_queues)


def asked_job(books: Books, job_id: int) -> Why:
    with books.read() as session:
        return why_job(session, job_id)


def grid(books: Books, **settings: dict[str, Any]) -> None:
    """Queues with settings, each at a site of its own; LOCAL too, if it is named."""
    document = {
        "sites": {name: {} for name in settings},
        "queues": {name: {"site": name, "settings": some} for name, some in settings.items()},
    }
    with books.write() as session:
        write_grid(session, document)


def set_status(books: Books, name: str, to: str) -> None:
    with books.write() as session:
        set_queue_status(session, name, QueueStatus(to))


def text(why: Why) -> str:
    return "\n".join((why.summary, *why.details, *why.changes, *(r.reason for r in why.rules)))


SMALL = {"core_count": 4, "max_memory_mb": 4000, "max_disk_mb": 20_000,
         "max_walltime_seconds": 86_400}  # fmt: skip
BY_OFFER: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("memory", {}, {"memory_mb": 6000}, "memory", "ask for at most 4000 MB of memory"),
    ("cores", {}, {"core_count": 8}, "core_count", "ask for at most 4 cores"),
    ("disk", {}, {"disk_mb": 30_000}, "disk", "ask for at most 20000 MB of scratch disk"),
    ("wall time", {}, {"walltime_seconds": 90_000}, "walltime",
     "ask for at most 86400 s of wall time"),
    ("small memory", {"min_memory_mb": 3000}, {"memory_mb": 2000}, "memory",
     "ask for at least 3000 MB of memory"),
    ("few cores", {"min_core_count": 2}, {"core_count": 1}, "core_count", ""),
    ("excluded", {}, {"excluded_sites": ["LOCAL"]}, "excluded", "do not exclude LOCAL"),
    ("zero share", {"fair_share_policy": "type=evgen:100%"}, {}, "zero_share", ""),
    ("events only", {"takes_ordinary_jobs": False}, {}, "event_service", ""),
]  # fmt: skip


CASES = [pytest.param(*row[1:], id=row[0]) for row in BY_OFFER]


@pytest.mark.parametrize(("settings", "asks", "rule", "change"), CASES)
def test_what_no_queue_offers_is_never_taken(
    books: Books, settings: dict[str, Any], asks: dict[str, Any], rule: str, change: str
) -> None:
    grid(books, LOCAL=SMALL | settings)
    task_id = a_task(books, **asks)
    run_stages(books)
    assert status(books, task_id) == "pending"
    why = asked(books, task_id)
    assert why.verdict == "never", text(why)
    assert [(r.rule, r.n_queues, r.passes) for r in why.rules] == [(rule, 1, False)]
    assert any(change in words for words in why.changes) or not change
    assert "or when a queue changes" in why.details[-1]
    assert (why.cycle, why.status) == (1, "pending")


def test_two_things_at_once_are_told_together(books: Books) -> None:
    grid(books, LOCAL=SMALL)
    task_id = a_task(books, memory_mb=8000, core_count=16)
    run_stages(books)
    [change] = asked(books, task_id).changes
    assert change == ("ask for at most 4 cores and ask for at most 4000 MB of memory: "
                      "then queue LOCAL would take it")  # fmt: skip


def test_nearest_offer_is_the_example_and_all_queues_can_be_seen(books: Books) -> None:
    grid(books, LOCAL={"max_memory_mb": 1000}, BIG={"max_memory_mb": 7000}, GPU={"core_count": 1},
         OFF={})  # fmt: skip
    set_status(books, "OFF", "offline")
    task_id = a_task(books, memory_mb=8000, core_count=2)
    run_stages(books)
    why = asked(books, task_id, with_queues=True)
    assert why.verdict == "not yet"
    assert why.details[0] == "queue OFF may take it later: it is offline"
    [memory] = [r for r in why.rules if r.rule == "memory"]
    assert (memory.n_queues, memory.queue, memory.offered, memory.needed) == (2, "BIG", 7000, 8000)
    assert [(q.queue, q.verdict, q.rule) for q in why.queues] == [
        ("OFF", "not yet", "online"), ("GPU", "never", "core_count"), ("BIG", "never", "memory"),
        ("LOCAL", "never", "memory")]  # fmt: skip
    assert why.changes[0] == "ask for at most 7000 MB of memory: then queue BIG would take it"
    assert "ask for at most 1 core: then queue GPU would take it" in why.changes


def test_site_that_was_asked_for_is_in_the_way(books: Books) -> None:
    grid(books, LOCAL=SMALL, BIG={})
    task_id = a_task(books, memory_mb=8000, site="LOCAL")
    run_stages(books)
    why = asked(books, task_id)
    assert (why.verdict, {r.rule for r in why.rules}) == ("never", {"memory", "pinned"})
    assert "do not ask for site LOCAL: then queue BIG would take it" in why.changes


@pytest.mark.parametrize("to", ["offline", "brokeroff", "test", "paused"])
def test_closed_queue_is_not_yet(books: Books, to: str) -> None:
    set_status(books, "LOCAL", to)
    task_id = a_task(books)
    run_stages(books)
    why = asked(books, task_id)
    assert (why.verdict, [r.passes for r in why.rules]) == ("not yet", [True])
    assert f"queue LOCAL: it is {to}" in why.summary


def test_blacklisted_storage_is_not_yet(books: Books) -> None:
    task_id = a_task(books)
    run_stages(books, "refine", "feed", "assign")
    sql(books, "UPDATE storage_endpoint SET is_blacklisted = true")
    run_stages(books)
    why = asked(books, task_id)
    assert why.verdict == "not yet"
    assert "its storage LOCAL is blacklisted" in why.summary


def test_no_queue_at_all_is_said(books: Books) -> None:
    task_id = a_task(books)
    run_stages(books, "refine", "feed", "assign")
    sql(books, "DELETE FROM queue_storage")
    sql(books, "DELETE FROM queue")
    run_stages(books)
    assert asked(books, task_id).summary == "there is no queue"


def test_task_that_waits_for_its_parents_files(books: Books) -> None:
    parent = a_task(books, outputs=["o"], name="user.alice.parent")
    child = a_task(books, command="cat %IN", parent_task_id=parent,
                   inputs=[{"datasets": ["user.alice.parent_o"]}])  # fmt: skip
    run_stages(books)
    why = asked(books, child)
    assert (why.verdict, why.status) == ("not yet", "pending")
    assert why.summary == f"waits for the files of task {parent}"
    assert why.details == (f"task {parent}, which makes its input, is running: "
                           f"culm why {parent}",)  # fmt: skip


def test_paused_task_says_who_and_how_to_go_on(books: Books) -> None:
    task_id = a_task(books)
    run_stages(books)
    tell(books, task_id, "pause")
    why = asked(books, task_id)
    assert (why.verdict, why.details) == ("not yet", (f"culm task resume {task_id}",))
    assert why.summary.startswith("alice paused it ")


def test_throttled_task_names_its_share(books: Books) -> None:
    with books.write() as session:
        set_value(session, "NQUEUECAP", "5", "root")
        set_value(session, "NQUEUELIMIT", "5", "root")
    a_task(books, n_jobs=50)
    run_stages(books)
    count_shares(books)
    task_id = a_task(books, n_jobs=2)
    run_stages(books)
    assert status(books, task_id) == "throttled"
    why = asked(books, task_id)
    assert why.verdict == "not yet"
    assert "share default, SCORE" in why.summary


def test_withheld_task_says_that_queues_would_take_it(books: Books) -> None:
    name = a_dataset(books, 2, size_bytes=10**12)
    task_id = a_task(books, command="cat %IN", inputs=[{"datasets": [name]}])
    run_stages(books, "refine", "feed", "assign")
    sql(books, "UPDATE replica SET endpoint_id = 1")
    update_locality(books)
    with books.write() as session:
        set_value(session, "LIMIT_PRIORITY_user", "2000", "root")
    set_status(books, "LOCAL", "brokeroff")
    assert task_withholder(books) == "1 tasks withheld"
    sql(books, "UPDATE queue SET status = 'online'")
    why = asked(books, task_id)
    assert why.verdict == "not yet"
    assert why.details[0].startswith("held back: ")


def test_running_task_says_what_runs_where_and_what_waits_behind_what(books: Books) -> None:
    a_task(books, n_jobs=5, priority=1100)
    task_id = a_task(books, n_jobs=10)
    run_stages(books)
    why = asked(books, task_id)
    assert (why.verdict, why.summary) == ("waits", "10 waiting for one")
    assert why.details == ("queue LOCAL: 10 wait behind 5 jobs of higher priority or older; "
                           "no pilot was ever seen there",)  # fmt: skip
    pilot = a_pilot(books, slots=7)
    get_work(books, pilot, n_jobs=7)
    why = asked(books, task_id)
    assert why.verdict == "runs"
    assert why.summary == "2 jobs with a pilot, 8 waiting for one"
    assert why.details[0] == "queue LOCAL: 2 with a pilot"
    assert why.details[1].startswith("queue LOCAL: 8 wait; pilots with 7 slots are there")
    tell(books, task_id, "finish", soft=True)
    assert asked(books, task_id).summary.startswith("it is told to end and waits for its jobs: ")


def test_task_that_nobody_took_up_names_the_next_step(books: Books) -> None:
    task_id = a_task(books)
    why = asked(books, task_id)
    assert why.verdict == "waits"
    assert why.summary.startswith("next, refine reads its parameters; it waits for ")
    assert "culm daemon" in why.details[0]


def test_failed_task_says_what_its_jobs_failed_of(books: Books) -> None:
    task_id = a_task(books, n_jobs=3, max_attempts=1)
    run_stages(books)
    pilot = a_pilot(books)
    jobs = get_work(books, pilot).jobs
    report(books, pilot, *(a_report(job, "failed", pilot_error_code=1212) for job in jobs))
    run_stages(books)
    why = asked(books, task_id)
    assert (why.verdict, why.status) == ("ended", "failed")
    assert why.details[0] == "3 jobs failed: the payload ran out of memory"
    job = asked_job(books, jobs[0].job_id)
    assert (job.verdict, job.details[0]) == ("ended", "the payload ran out of memory")


def test_exhausted_task_says_what_to_do(books: Books) -> None:
    task_id = a_task(books)
    sql(books, "UPDATE task SET status = 'exhausted', reason = 'too short' WHERE id = :id",
        id=task_id)  # fmt: skip
    why = asked(books, task_id)
    assert why.summary == "it has ended: exhausted, too short"
    assert f"culm task avalanche {task_id}" in why.details[0]
    sql(books, "UPDATE task SET status = 'registered', reason = ''")


def test_queue_that_rests_as_a_black_hole_is_not_yet(books: Books) -> None:
    sql(books, "INSERT INTO rest (queue_id, node, reason, until) "
               "VALUES (1, '', 'it fails jobs fast', '2100-01-01 00:00:00.000000')")  # fmt: skip
    task_id = a_task(books)
    run_stages(books)
    why = asked(books, task_id)
    assert why.verdict == "not yet"
    assert "queue LOCAL: it is at rest: it fails jobs fast" in why.summary


def first_job(books: Books, task_id: int) -> int:
    return int(value(books, "SELECT min(id) FROM job WHERE task_id = :t", t=task_id))


def test_job_waits_for_a_pilot_of_which_none_was_seen(books: Books) -> None:
    task_id = a_task(books, n_jobs=3)
    run_stages(books)
    job_id = first_job(books, task_id)
    why = asked_job(books, job_id + 2)
    assert why.verdict == "not yet"
    assert why.summary.startswith("it waits for a pilot at queue LOCAL for ")
    assert why.details == ("no pilot was ever seen there",
                           "2 jobs of higher priority or older stand before it")  # fmt: skip
    set_status(books, "LOCAL", "offline")
    assert "the queue is offline" in asked_job(books, job_id).details[0]


def test_job_that_fits_no_pilot_is_never_taken(books: Books) -> None:
    task_id = a_task(books, memory_mb=4000)
    run_stages(books)
    a_pilot(books, memory_mb=2000, disk_mb=10**6, core_count=4)
    why = asked_job(books, first_job(books, task_id))
    assert why.verdict == "never"
    assert why.details[-1] == "the largest pilot has 2000 MB of memory, 4000 needed"
    task = asked(books, task_id)
    assert task.verdict == "never"
    assert task.summary == "1 waiting for one, no pilot there is large enough"
    assert task.details[0].endswith("none is large enough for 1 of them")
    # A pilot that names no disk has what is free on its node.
    a_pilot(books, memory_mb=4000, disk_mb=0)
    assert asked_job(books, first_job(books, task_id)).verdict == "not yet"
    assert asked(books, task_id).verdict == "waits"


def test_job_at_work_says_where(books: Books) -> None:
    run_stages(books)
    task_id = a_task(books)
    run_stages(books)
    pilot = a_pilot(books)
    [job] = get_work(books, pilot).jobs
    assert asked_job(books, job.job_id).summary.startswith("it was sent to a pilot and starts on")
    report(books, pilot, a_report(job, "running"))
    why = asked_job(books, job.job_id)
    assert (why.verdict, why.task_id) == ("runs", task_id)
    assert f"at queue LOCAL (pilot {pilot})" in why.summary
    assert "it asked for at most 1d" in why.details[0]
    expire_leases(books)
    run_stages(books)
    why = asked_job(books, job.job_id)
    assert why.details[0] == "the pilot was not heard from: its lease ran out"
    assert "is tried again by job" in why.details[-1]


def test_job_that_was_reported_waits_for_the_books(books: Books) -> None:
    a_task(books)
    run_stages(books)
    pilot = a_pilot(books)
    [job] = get_work(books, pilot).jobs
    report(books, pilot, a_report(job))
    assert asked_job(books, job.job_id).verdict == "waits"
    run_stages(books)
    assert asked_job(books, job.job_id).summary == "it has ended: finished"


def test_job_of_a_queue_that_vanished_is_told(books: Books) -> None:
    task_id = a_task(books)
    run_stages(books)
    sql(books, "DELETE FROM queue_storage")
    sql(books, "DELETE FROM queue")
    assert "number 1 (it is no more)" in asked_job(books, first_job(books, task_id)).summary
    assert "number 1 (it is no more)" in asked(books, task_id).details[0]


def test_pilots_that_left_are_remembered(books: Books) -> None:
    task_id = a_task(books)
    run_stages(books)
    sql(books, "INSERT INTO queue_statistics (queue_id, n_defined, n_assigned, n_activated, "
               "n_starting, n_running, n_transferring, n_slots, n_nodes_asking, n_nodes_updating, "
               "most_running, n_runs, last_pilot_at, history_id, at) "
               "VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, :past, 0, :past)",
        past=PAST)  # fmt: skip
    said = asked_job(books, first_job(books, task_id)).details[0]
    assert said.startswith("no pilot is there, none was seen for ")


def test_what_is_not_there_is_not_explained(books: Books) -> None:
    with pytest.raises(NotFound, match="no task 7"):
        asked(books, 7)
    with pytest.raises(NotFound, match="no job 7"):
        asked_job(books, 7)
