"""`culm daemon` as a process: once, SIGTERM, without Prefect's server, and with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.store.books import Books
from tests.integration.flows.daemons import Daemons, jobs_of, stage_leases, submit_tasks
from tests.integration.flows.prefect_scene import SQLITE_ONLY, PrefectServer, wait_until

pytestmark = [pytest.mark.slow, SQLITE_ONLY]


def test_once_takes_tasks_to_their_jobs_and_ends(books: Books, daemons: Daemons) -> None:
    ids = submit_tasks(books, 3)

    daemon = daemons.start("--once", "--without-prefect")

    assert daemon.process.wait(60) == 0, daemon.log
    assert jobs_of(books) == dict.fromkeys(ids, 2)
    assert daemon.process.stdout is not None
    assert daemon.process.stdout.read() == ""


def test_sigterm_ends_in_good_order(books: Books, daemons: Daemons) -> None:
    daemon = daemons.start("--without-prefect")
    ids = submit_tasks(books, 4)
    wait_until(lambda: jobs_of(books) == dict.fromkeys(ids, 2), 60, "all tasks generated")

    assert daemon.stop() == 0

    assert daemon.log.rstrip().endswith("off duty")
    assert stage_leases(books) == []


def test_daemon_works_without_prefects_server_and_says_so(books: Books, daemons: Daemons) -> None:
    ids = submit_tasks(books, 2)

    daemon = daemons.start()

    wait_until(lambda: jobs_of(books) == dict.fromkeys(ids, 2), 60, "all tasks generated")
    assert daemon.stop() == 0
    assert daemon.log.count("does not answer: work goes on unrecorded") == 1


def test_recorded_daemon_ends_its_flow_runs_at_sigterm(
    books: Books, daemons: Daemons, prefect: PrefectServer
) -> None:
    options = ("--stages", "refine,feed", "--wait-for-prefect", "60")
    daemon = daemons.start(*options, prefect=prefect.api)
    [task_id] = submit_tasks(books, 1)
    wait_until(lambda: f"feed {task_id}" in daemon.log, 60)

    assert daemon.stop() == 0, daemon.log

    runs = wait_until(lambda: at_least(2, prefect.task_runs(f"{task_id} user.alice.hello0")))
    assert {run["name"].split()[0] for run in runs} == {"refine", "feed"}
    shifts = [run["flow_run_id"] for run in runs]
    found = prefect.find("flow_runs", flow_runs={"id": {"any_": shifts}})
    assert {shift["state_type"] for shift in found} == {"COMPLETED"}


def test_prefect_that_hangs_holds_neither_the_work_nor_the_end(
    books: Books, daemons: Daemons, prefect: PrefectServer
) -> None:
    daemon = daemons.start("--wait-for-prefect", "60", prefect=prefect.api)
    ids = submit_tasks(books, 1)
    wait_until(lambda: jobs_of(books) == dict.fromkeys(ids, 2), 60, "the first task")

    with prefect.stopped():
        ids += submit_tasks(books, 3, first=1)
        wait_until(lambda: jobs_of(books) == dict.fromkeys(ids, 2), 60, "all tasks generated")
        assert daemon.stop() == 0, daemon.log


def at_least(count: int, runs: list[dict[str, str]]) -> list[dict[str, str]]:
    return runs if len(runs) >= count else []


def test_daemon_names_a_database_that_is_not_there(daemons: Daemons, tmp_path: Path) -> None:
    daemon = daemons.start("--once", database_url=f"sqlite:///{tmp_path}/other.db")

    assert daemon.process.wait(60) != 0
    assert "there is no database" in daemon.log
    assert not (tmp_path / "other.db").exists()
