"""Input: what is taken of it, how it is split, and how it grows with a parent task."""

from __future__ import annotations

from typing import Any

import pytest

from broker.estimates import expected_disk_mb
from broker.thresholds import Thresholds
from broker.values import Queue
from culm.wire.job_spec import JobSpec
from tasks.catalog.own import NewEntry, add_dataset, add_files
from tasks.queue_changes import set_queue
from tasks.specs import spec_of
from tasks.stages import chunking
from tasks.stages.demands import demand_of
from tasks.store.books import Books
from tasks.tables import Task
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.racers import Racers
from tests.integration.tasks.scene import (
    PAST,
    expire_leases,
    rows,
    run_jobs,
    run_to_the_end,
    sql,
    status,
    tell,
    value,
)


def commands(books: Books, **changes: Any) -> list[str]:
    """The commands of all jobs that a task gets at first."""
    a_task(books, **({"command": "%IN"} | changes))
    run_stages(books)
    return [job.command for job in get_work(books, a_pilot(books)).jobs]


def f(*numbers: int) -> str:
    return ",".join(f"f{n:06d}.dat" for n in numbers)


@pytest.mark.parametrize(
    ("settings", "force_staged", "direct"),
    [({"direct_access": True}, False, True), ({"direct_access": True}, True, False),
     ({}, False, False)],
)  # fmt: skip
def test_input_is_read_in_place_where_the_queue_lets_it_and_the_task_too(
    books: Books, settings: dict[str, Any], force_staged: bool, direct: bool
) -> None:
    with books.write() as session:
        set_queue(session, "LOCAL", "LOCAL", settings)
    inputs = one_input(a_dataset(books, 1, size_bytes=7_000_000))
    task_id = a_task(books, command="cat %IN", inputs=inputs, force_staged=force_staged)
    run_stages(books)
    [job] = get_work(books, a_pilot(books)).jobs
    assert job.reads_directly is direct
    with books.read() as session:
        demand = demand_of(session, session.get_one(Task, task_id), spec_of(session, task_id))
    queue = Queue(name="LOCAL", site="LOCAL", reads_directly="direct_access" in settings)
    # 12.1: input that is read directly takes no scratch disk.
    assert expected_disk_mb(demand, queue, Thresholds()) == 500 + (0 if direct else 7)


def one_input(name: str, **changes: Any) -> list[dict[str, Any]]:
    return [{"datasets": [name]} | changes]


@pytest.mark.parametrize(
    ("stream", "task", "jobs"),
    [
        ({}, {}, [f(0), f(1), f(2), f(3), f(4)]),
        ({}, {"n_files_per_job": 2}, [f(0, 1), f(2, 3), f(4)]),
        ({}, {"n_jobs": 2}, [f(0, 1, 2), f(3, 4)]),
        ({}, {"n_jobs": 9}, [f(0), f(1), f(2), f(3), f(4)]),
        ({}, {"n_gb_per_job": 0.002_5}, [f(0, 1), f(2, 3), f(4)]),
        ({"n_files": 2}, {}, [f(0), f(1)]),
        ({"n_skip": 3}, {}, [f(3), f(4)]),
        ({"n_skip": 1, "n_files": 2}, {"n_files_per_job": 5}, [f(1, 2)]),
        ({"match": ["*1.dat", "*3.dat"]}, {}, [f(1), f(3)]),
        ({"anti_match": ["*1.dat"]}, {"n_files_per_job": 5}, [f(0, 2, 3, 4)]),
        ({"match": ["f*"], "anti_match": ["*0.dat"], "n_skip": 1}, {}, [f(2), f(3), f(4)]),
    ],
)
def test_what_is_taken_and_how_it_is_split(
    books: Books, stream: dict[str, Any], task: dict[str, Any], jobs: list[str]
) -> None:
    data = a_dataset(books, 5, size_bytes=1_000_000)
    assert commands(books, inputs=one_input(data, **stream), **task) == jobs


def test_several_primary_datasets_are_one_stream(books: Books) -> None:
    one, two = a_dataset(books, 3), a_dataset(books, 2)
    got = commands(books, n_files_per_job=2, inputs=[{"datasets": [one, two]}])
    assert got == [f(0, 1), f(2), f(0, 1)]


def test_so_many_jobs_as_asked_share_several_datasets(books: Books) -> None:
    one, two = a_dataset(books, 3), a_dataset(books, 2)
    rename = "UPDATE catalog_file SET lfn = 'g' || lfn WHERE dataset_id = (SELECT id FROM "
    sql(books, f"{rename} catalog_dataset WHERE name = :name)", name=two)
    streams = [{"datasets": [one, two]}]
    assert commands(books, n_jobs=1, inputs=streams) == [f(0, 1, 2) + ",gf000000.dat,gf000001.dat"]


def test_files_of_the_same_name_do_not_meet_in_a_job(books: Books) -> None:
    one, two = a_dataset(books, 1), a_dataset(books, 1)
    assert commands(books, n_jobs=1, inputs=[{"datasets": [one, two]}]) == [f(0), f(0)]


def test_n_files_counts_files_over_all_datasets_of_a_stream(books: Books) -> None:
    one, two = a_dataset(books, 2, n_events=20), a_dataset(books, 30, n_events=20)
    got = commands(books, n_events_per_job=10, inputs=[{"datasets": [one, two], "n_files": 3}])
    assert got == [f(0), f(0), f(1), f(1), f(0), f(0)]


@pytest.mark.parametrize("name", ["retry", "resume"])
def test_n_files_holds_when_the_input_is_looked_at_again(books: Books, name: str) -> None:
    data = a_dataset(books, 30, n_events=20)
    task_id = a_task(books, inputs=one_input(data, n_files=1), n_events_per_job=5, max_attempts=1)
    run_stages(books)
    if name == "retry":
        run_jobs(books, a_pilot(books))
    else:
        tell(books, task_id, "pause")
    tell(books, task_id, name)
    run_stages(books)
    assert value(books, "SELECT n_files FROM dataset WHERE is_primary") == 4
    run_to_the_end(books)
    assert status(books, task_id) == "done"


def test_secondary_streams_go_round_also_of_the_primarys_own_dataset(books: Books) -> None:
    one, two = a_dataset(books, 3), a_dataset(books, 2)
    inputs = [
        {"datasets": [one]},
        {"stream": "IN2", "datasets": [two]},
        {"stream": "IN3", "datasets": [one], "n_files_per_job": 2},
    ]
    got = commands(books, command="%IN %IN2 %IN3", inputs=inputs)
    assert got == [
        f"{f(0)} {f(0)} {f(0, 1)}", f"{f(1)} {f(1)} {f(0, 2)}", f"{f(2)} {f(0)} {f(1, 2)}"
    ]  # fmt: skip


def test_secondary_stream_of_several_datasets_gives_its_number_once(books: Books) -> None:
    one, two, three = a_dataset(books, 2), a_dataset(books, 1), a_dataset(books, 2)
    inputs = [{"datasets": [one]}, {"stream": "IN2", "datasets": [two, three]}]
    assert commands(books, command="%IN %IN2", inputs=inputs) == [
        f"{f(0)} {f(0)}", f"{f(1)} {f(0)}",
    ]  # fmt: skip


EVENTS = "%MAXEVENTS %SKIPEVENTS %FIRSTEVENT:100"


def test_files_split_by_events_and_their_retries_say_the_same(books: Books) -> None:
    data = a_dataset(books, 2, n_events=25)
    task_id = a_task(
        books, inputs=one_input(data), n_events_per_job=10, command=f"%IN {EVENTS} %RNDM:0"
    )
    run_stages(books)
    pilot = a_pilot(books)
    first = get_work(books, pilot).jobs
    assert [job.command for job in first] == [
        f"{f(0)} 10 0 100 0", f"{f(0)} 10 10 110 1", f"{f(0)} 5 20 120 2",
        f"{f(1)} 10 0 125 3", f"{f(1)} 10 10 135 4", f"{f(1)} 5 20 145 5",
    ]  # fmt: skip
    report(books, pilot, *(a_report(job, "failed", pilot_error_code=1305) for job in first))
    run_stages(books)
    again = run_jobs(books, pilot)
    assert [job.command for job in again] == [job.command for job in first]
    names = {job.job_id: {out.lfn for out in job.outputs} for job in (*first, *again)}
    assert len(set().union(*names.values())) == 12
    assert status(books, task_id) == "done"


def test_n_events_per_file_stands_for_what_the_catalogue_does_not_say(books: Books) -> None:
    data = a_dataset(books, 1)
    got = commands(
        books, inputs=one_input(data), n_events_per_file=3, n_events_per_job=2, command=EVENTS
    )
    assert got == ["2 0 100", "1 2 102"]


def test_small_files_are_joined_up_to_the_events_of_a_job(books: Books) -> None:
    data = a_dataset(books, 5, n_events=4)
    got = commands(books, inputs=one_input(data), n_events_per_job=9, command=f"%IN {EVENTS}")
    assert got == [f"{f(0, 1)} 8 0 100", f"{f(2, 3)} 8 0 108", f"{f(4)} 4 0 116"]


def test_generated_events_are_counted_without_input(books: Books) -> None:
    got = commands(books, n_events=25, n_events_per_job=10, command=EVENTS)
    assert got == ["10 0 100", "10 0 110", "5 0 120"]


def test_file_with_more_events_than_anybody_can_run_breaks_the_task(books: Books) -> None:
    data = a_dataset(books, 1, n_events=10**15)
    task_id = a_task(books, inputs=one_input(data), n_events_per_job=1)
    run_stages(books)
    assert status(books, task_id) == "broken"
    assert "more than 10000000 jobs" in value(books, "SELECT reason FROM task")


def test_batches_neither_lose_nor_part_what_belongs_together(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunking, "FILES_A_BATCH", 4)
    data = a_dataset(books, 9)
    task_id = a_task(books, inputs=one_input(data), n_files_per_job=3, command="%IN %RNDM:0")
    run_stages(books)
    pilot = a_pilot(books)
    first = run_jobs(books, pilot, "failed", pilot_error_code=1305)
    assert [job.command for job in first] == [
        f"{f(0, 1, 2)} 0", f"{f(3, 4, 5)} 1", f"{f(6, 7, 8)} 2"
    ]  # fmt: skip
    again = run_jobs(books, pilot)
    assert sorted(job.command for job in again) == sorted(job.command for job in first)
    assert status(books, task_id) == "done"


def a_family(books: Books, n_parent_jobs: int = 5, **child: Any) -> tuple[int, int, list[JobSpec]]:
    """(parent, child, the parent's jobs at a pilot)."""
    parent = a_task(books, name="user.alice.parent", n_jobs=n_parent_jobs, outputs=["out"],
                    max_attempts=1)  # fmt: skip
    values = {"inputs": one_input("user.alice.parent_out"), "command": "%IN"} | child
    own = a_task(books, parent_task_id=parent, **values)
    run_stages(books)
    pilot = a_pilot(books, host="parents")
    return parent, own, list(get_work(books, pilot).jobs)


def ends(books: Books, *jobs: JobSpec, state: str = "finished") -> None:
    pilot = value(books, "SELECT MIN(id) FROM pilot")
    code = 1305 if state == "failed" else 0
    report(books, pilot, *(a_report(job, state, pilot_error_code=code) for job in jobs))
    run_stages(books)


def test_child_runs_beside_its_parent_and_holds_the_remainder_back(books: Books) -> None:
    parent, child, jobs = a_family(books, n_files_per_job=2)
    assert status(books, child) == "pending"
    assert value(books, "SELECT reason FROM task WHERE id = :i", i=child) == (
        f"waits for the files of task {parent}"
    )
    pilot = a_pilot(books)
    counts = []
    for job in jobs:
        ends(books, job)
        counts.append(len(run_jobs(books, pilot)))
    assert counts == [0, 1, 0, 1, 1]
    assert (status(books, parent), status(books, child)) == ("done", "done")
    assert rows(books, "SELECT n_files, n_files_finished FROM dataset d WHERE d.task_id = :i "
                "AND is_primary", i=child) == [(5, 5)]  # fmt: skip


def test_child_that_asks_for_a_number_of_jobs_waits_for_the_whole_input(books: Books) -> None:
    _, child, jobs = a_family(books, n_jobs=2)
    ends(books, *jobs[:4])
    assert status(books, child) == "pending"
    ends(books, jobs[4])
    assert len(run_jobs(books, a_pilot(books))) == 2
    assert status(books, child) == "done"


def test_parent_that_failed_without_output_breaks_its_child_with_words(books: Books) -> None:
    parent, child, jobs = a_family(books)
    ends(books, *jobs, state="failed")
    assert status(books, parent) == "failed"
    assert status(books, child) == "broken"
    assert "nothing to process in IN" in value(
        books, "SELECT reason FROM task WHERE id = :i", i=child
    )


def test_child_ends_with_what_an_aborted_parent_left(books: Books) -> None:
    parent, child, jobs = a_family(books, n_files_per_job=2)
    ends(books, *jobs[:3])
    tell(books, parent, "kill")
    expire_leases(books)
    run_to_the_end(books)
    assert (status(books, parent), status(books, child)) == ("aborted", "done")
    assert value(books, "SELECT n_files_finished FROM dataset WHERE task_id = :i AND is_primary",
                 i=child) == 3  # fmt: skip


def test_child_that_was_paused_while_its_parent_ended_takes_all(books: Books) -> None:
    _, child, jobs = a_family(books)
    tell(books, child, "pause")
    ends(books, *jobs)
    assert status(books, child) == "paused"
    tell(books, child, "resume")
    run_to_the_end(books)
    assert status(books, child) == "done"


def test_child_without_a_free_queue_still_takes_new_files(books: Books) -> None:
    _, child, jobs = a_family(books)
    sql(books, "UPDATE queue SET status = 'offline'")
    ends(books, jobs[0])
    assert status(books, child) == "pending"
    ends(books, *jobs[1:])
    sql(books, "UPDATE queue SET status = 'online'")
    sql(books, "UPDATE task SET next_look_at = :past WHERE next_look_at IS NOT NULL", past=PAST)
    run_to_the_end(books)
    assert status(books, child) == "done"


def test_files_that_come_to_a_dataset_later_are_taken_by_a_retry(books: Books) -> None:
    data = a_dataset(books, 1)
    task_id = a_task(books, inputs=one_input(data), n_files_per_job=2, command="%IN")
    run_to_the_end(books)
    with books.write() as session:
        dataset = add_dataset(session, data, "alice")
        entry = NewEntry("g.dat", 5, "00000002", "file:///nowhere/g.dat")
        assert add_files(session, dataset.id, [entry]) == 1
        assert add_files(session, dataset.id, [entry]) == 0
    tell(books, task_id, "retry")
    run_stages(books)
    assert [job.command for job in run_jobs(books, a_pilot(books))] == ["g.dat"]
    assert status(books, task_id) == "done"


def test_two_processes_that_catalogue_the_same_files_add_each_once(
    books: Books, racers: Racers
) -> None:
    for number in range(5):
        each = ({"lfns": ["a", "b", "c"]}, {"lfns": ["c", "b", "d"]})
        added = racers.race(books.url, "catalogue", each, name=f"user.alice.race{number}")
        assert sum(added) == 4
    assert rows(books, "SELECT n_files, size_bytes FROM catalog_dataset") == [(4, 4)] * 5
