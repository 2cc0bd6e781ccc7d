"""Our own books in the simulator: real rows become a world and its work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from broker.shares import DEFAULT, Share
from broker.simulation.past import Past, workload_of_past
from broker.simulation.world import World
from culm.cli.main import run
from culm.core.errors import InvalidRequest
from culm.wire.reports import JobMetrics
from tasks.grid_changes import write_grid
from tasks.queue_changes import set_queue
from tasks.share_changes import set_shares
from tasks.simulated.past import LastDays, last_days
from tasks.simulated.present import Seen, present
from tasks.store.books import Books
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import rows, sql


def a_node(books: Books, name: str = "LOCAL", **settings: Any) -> int:
    """A pilot at a queue that is twice as fast as the simulator's own measure."""
    with books.write() as session:
        set_queue(session, name, name, {"core_power": 20.0} | settings)
    return a_pilot(books, queue=name)


def run_jobs(books: Books, pilot: int, wall_seconds: float) -> None:
    """Start and end all the work there is, as a pilot that measured it says."""
    metrics = JobMetrics(wall_seconds=wall_seconds)
    run_stages(books)
    while jobs := get_work(books, pilot).jobs:
        report(books, pilot, *(a_report(job, "running") for job in jobs))
        report(books, pilot, *(a_report(job, nr=2, metrics=metrics) for job in jobs))
        run_stages(books)


def days_of(books: Books, days: float = 1.0) -> LastDays:
    with books.read() as session:
        return last_days(session, days)


def world_of_books(books: Books, seen: Seen | None = None) -> tuple[World, tuple[str, ...]]:
    with books.read() as session:
        found = present(session, seen or Seen())
    return found.world, found.notes


def work_of(past: Past) -> dict[tuple[int, str, int], list[float]]:
    return {key: list(seconds) for key, seconds in past.work.items()}


def test_finished_jobs_are_work_at_the_speed_of_their_queue(books: Books) -> None:
    pilot = a_node(books)
    data = a_dataset(books, 2, size_bytes=3_000_000)
    plain = a_task(books, n_jobs=3)
    reading = a_task(books, user="bob", command="cat %IN", inputs=[{"datasets": [data]}],
                     n_files_per_job=1, core_count=2)  # fmt: skip
    run_jobs(books, pilot, wall_seconds=60.0)
    found = days_of(books)
    assert work_of(found.past) == {
        (plain, DEFAULT, 1): [120.0] * 3, (reading, DEFAULT, 2): [120.0] * 2,
    }  # fmt: skip
    assert found.notes == ("5 jobs finished in these days",)
    world, _ = world_of_books(books, found.seen)
    [first, second] = workload_of_past(found.past, world).workload.tasks
    assert (first.user, first.submitted_seconds, first.priority_step) == ("alice", 0.0, 5)
    assert (second.user, second.slots, second.input_mb) == ("bob", 2, 3.0)
    assert second.name == f"{reading} {DEFAULT} 2"


def test_tries_that_failed_are_no_work_but_the_systems_make_a_failure_rate(books: Books) -> None:
    pilot = a_node(books, n_slots=4)
    task_id = a_task(books, n_jobs=4)
    run_stages(books)
    jobs = get_work(books, pilot).jobs
    report(books, pilot, *(a_report(job, "running") for job in jobs))
    ends = [{}, {}, {"pilot_error_code": 1099}, {"pilot_error_code": 1305, "exit_code": 1}]
    report(books, pilot, *(
        a_report(job, "failed" if end else "finished", nr=2, **end)
        for job, end in zip(jobs, ends, strict=True)
    ))  # fmt: skip
    run_jobs(books, pilot, wall_seconds=10.0)
    found = days_of(books)
    assert [len(seconds) for seconds in work_of(found.past).values()] == [4]
    assert found.seen.failure_rates == {"LOCAL": 1 / 5}
    assert found.notes[1].startswith("2 failed tries are no work")
    assert found.past.tasks[task_id].user == "alice"


def test_what_ended_before_the_days_is_not_in_them(books: Books) -> None:
    pilot = a_node(books)
    old, new = a_task(books), a_task(books)
    run_jobs(books, pilot, wall_seconds=5.0)
    earlier = "2020-01-01 00:00:00.000000"
    sql(books, "UPDATE job SET started_at = :at, ended_at = :at WHERE task_id = :id",
        at=earlier, id=old)  # fmt: skip
    sql(books, "UPDATE task SET created_at = :at WHERE id = :id", at=earlier, id=new)
    found = days_of(books)
    assert {key[0] for key in found.past.work} == {new}
    # Submitted long before: it counts as submitted when the days began.
    assert found.past.tasks[new].submitted_seconds == 0.0


def test_jobs_that_no_pilot_measured_ran_from_start_to_end(books: Books) -> None:
    pilot = a_node(books, core_power=10.0)
    task_id = a_task(books)
    run_stages(books)
    [job] = get_work(books, pilot).jobs
    report(books, pilot, a_report(job, "running"))
    report(books, pilot, a_report(job, nr=2))
    run_stages(books)
    sql(books, "UPDATE job SET started_at = :at", at="2020-01-01 00:00:00.000000")
    [seconds] = work_of(days_of(books).past)[task_id, DEFAULT, 1]
    assert seconds > 365 * 86_400


def test_books_in_which_no_job_ever_finished_are_refused(books: Books) -> None:
    with pytest.raises(InvalidRequest, match="no job finished") as error:
        days_of(books)
    [fault] = error.value.faults
    assert fault.needed == "no job has ever finished here: give --workload or --swf"


def test_days_in_which_nothing_finished_say_when_the_last_job_did(books: Books) -> None:
    pilot = a_node(books)
    a_task(books)
    run_jobs(books, pilot, wall_seconds=5.0)
    sql(books, "UPDATE job SET ended_at = :at", at="2020-01-01 00:00:00.000000")
    with pytest.raises(InvalidRequest) as error:
        days_of(books, 3.0)
    assert error.value.faults[0].needed.startswith("the last job finished 2")


def test_input_is_where_its_files_are(books: Books) -> None:
    pilot = a_node(books)
    data = a_dataset(books, 2)
    task_id = a_task(books, command="cat %IN", inputs=[{"datasets": [data]}])
    run_stages(books)
    sql(books, "UPDATE replica SET endpoint_id = (SELECT min(id) FROM storage_endpoint)")
    [(site,)] = rows(books, "SELECT s.name FROM site s JOIN storage_endpoint e "
                            "ON e.site_id = s.id ORDER BY e.id LIMIT 1")  # fmt: skip
    run_jobs(books, pilot, wall_seconds=5.0)
    assert days_of(books).past.tasks[task_id].sites == (site,)


GRID = {
    "sites": {"ALPS": {}, "COAST": {}, "TAPE": {}},
    "endpoints": {"TAPE_DISK": {"site": "TAPE", "url": "root://tape.example/"}},
    "queues": {
        "FAST": {"site": "ALPS", "settings": {"core_power": 15.0, "n_slots": 40}},
        "SEEN": {"site": "ALPS"},
        "SHUT": {"site": "COAST", "status": "offline", "settings": {"n_slots": 10}},
    },
    "links": [
        {"source": "TAPE", "destination": "ALPS", "mb_per_second_last_day": 30.0},
        {"source": "COAST", "destination": "ALPS", "is_blocked": True},
    ],
}


def test_queues_become_a_world(books: Books) -> None:
    tree = [Share(name="mc", weight=60), Share(name=DEFAULT, weight=40)]
    with books.write() as session:
        set_shares(session, tree, [])
        set_queue(session, "LOCAL", "LOCAL", {})
        write_grid(session, GRID)
    a_pilot(books, queue="LOCAL", core_count=8)
    world, notes = world_of_books(
        books, Seen(most_slots={"SEEN": 7}, failure_rates={"FAST": 0.25, "SEEN": 1.0})
    )
    slots = {queue.name: (queue.place, queue.slots, queue.core_speed, queue.failure_rate)
             for queue in world.queues}  # fmt: skip
    assert slots == {
        "FAST": ("ALPS", 40, 1.5, 0.25), "LOCAL": ("LOCAL", 8, 1.0, 0.0),
        "SEEN": ("ALPS", 7, 1.0, 0.99), "SHUT": ("COAST", 0, 1.0, 0.0),
    }  # fmt: skip
    assert [(link.source, link.mb_per_second) for link in world.links] == [("TAPE", 30.0)]
    assert world.storage_sites == ("TAPE",)
    assert world.leaves() == {"mc", DEFAULT}
    assert notes == ("not online, so without slots: SHUT (offline)",
                     "blocked links, taken as open: 1")  # fmt: skip


def test_books_without_a_slot_are_no_world(books: Books) -> None:
    with books.write() as session:
        set_queue(session, "LOCAL", "LOCAL", {})
    with pytest.raises(InvalidRequest, match="no world") as error:
        world_of_books(books)
    assert error.value.faults[0].value == "no queue with a slot"


@pytest.fixture
def _settings(books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CULM_DATABASE_URL", books.url)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_settings")
def test_command_simulates_the_last_days_and_what_if(
    books: Books, capsys: pytest.CaptureFixture[str]
) -> None:
    pilot = a_node(books, n_slots=2)
    a_task(books, n_jobs=6)
    run_jobs(books, pilot, wall_seconds=60.0)
    words = ["simulate", "--books", "1", "--set", "queue.LOCAL.slots=1", "--compare", "--json",
             "--policy", "pull"]  # fmt: skip
    assert run([*words, "--save", "kept", "--anonymous"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert (found["n_queues"], found["n_slots"], found["n_jobs"]) == (1, 1, 6)
    makespans = [found[when][0]["makespan_seconds"] for when in ("before", "results")]
    assert makespans == [60.0, 360.0]  # six at once were seen; then one slot is left
    assert "6 jobs finished in these days" in err
    kept = Path("kept/work.json").read_text()
    assert "task-000001" in kept
    assert "alice" not in kept
    assert run(["simulate", "--world", "books", "--jobs", "20", "--load", "0.5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n_slots"], found["n_jobs"], found["view_seconds"]) == (2, 20, 60.0)
