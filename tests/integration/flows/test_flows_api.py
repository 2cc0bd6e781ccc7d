"""The flow API: stages and whole tasks from a user's own Prefect flow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prefect import flow

import flows
from culm.core.errors import InvalidRequest, NotFound, WaitTimedOut
from culm.core.settings import load_settings
from culm.wire.task_spec import TaskSpec
from culm.wire.views import CommandRequest, TaskView
from flows import workplace
from flows.workplace import Workplace
from tasks.stages import STAGES
from tasks.stages.command import command
from tasks.stages.submit import submit
from tasks.store.books import Books
from tasks.store.wakeups import Waker
from tasks.views.tasks import TaskFilter, task_list
from tests.integration.flows.prefect_scene import (
    SQLITE_ONLY,
    PrefectServer,
    prefect_points_at,
    wait_until,
)

pytestmark = [pytest.mark.slow, SQLITE_ONLY]


@pytest.fixture(autouse=True)
def _prefect(prefect: PrefectServer) -> Iterator[None]:
    with prefect_points_at(prefect):
        yield


@pytest.fixture(autouse=True)
def place(books: Books, waker: Waker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """The test's books as those of this process."""
    place = Workplace(load_settings({"data_dir": tmp_path}), books, waker, "host:1:ab")
    for module in ("flows.stages", "flows.lifecycle", "flows.daemons"):
        monkeypatch.setattr(f"{module}.our_workplace", lambda: place)
    return place


def a_spec(name: str = "user.alice.hello") -> TaskSpec:
    return TaskSpec(name=name, command="true", n_jobs=2)


def submitted(books: Books, name: str = "user.alice.hello") -> int:
    return submit(books, a_spec(name), "alice", f"key {name}").task_id


def test_stages_by_id_do_just_these_and_return_outcomes(
    books: Books, prefect: PrefectServer
) -> None:
    wanted, other = submitted(books), submitted(books, "user.alice.other")

    @flow(name="alices_flow")
    async def alices_flow() -> list[object]:
        return [await flows.refine([wanted]), await flows.feed([wanted]), await flows.feed([other])]

    refined, fed, not_fed = asyncio.run(alices_flow())

    assert refined == [{"task_id": wanted, "message": "2 datasets", "n_done": 2, "again": False}]
    assert [outcome["task_id"] for outcome in fed] == [wanted]
    assert not_fed == [
        {"task_id": other, "message": "not ready for feed, or another agent has it",
         "n_done": 0, "again": False}
    ]  # fmt: skip
    names = wait_until(lambda: [r["name"] for r in prefect.flow_runs(f"refine {wanted}")])
    assert names == [f"refine {wanted}"]
    assert wait_until(lambda: prefect.task_runs(f"refine {wanted} user.alice.hello"))


def test_stage_without_ids_works_until_nothing_is_ready(books: Books) -> None:
    for number in range(3):
        submitted(books, f"user.alice.hello{number}")

    assert asyncio.run(flows.refine()) == []

    with books.read() as session:
        assert {t.status for t in task_list(session, TaskFilter()).tasks} == {"defined"}


def test_failing_stage_fails_the_flow_run_of_that_id(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(_act: object) -> None:
        raise ValueError("poisoned row")

    monkeypatch.setitem(STAGES, "refine", replace(STAGES["refine"], act=poisoned))

    with pytest.raises(ValueError, match="poisoned row"):
        asyncio.run(flows.refine([submitted(books)]))


async def drive(place: Workplace) -> None:
    """Kill the task that comes and let the stages run, as a daemon beside us would."""
    [task_id] = await asyncio.to_thread(wait_until, lambda: alive(place.books))
    command(place.books, task_id, CommandRequest(command="kill"), "alice")
    for _ in range(3):
        for stage in STAGES.values():
            for claim in stage.claim(place.books, "driver", 16):
                stage.work(place.books, claim, "driver")


def alive(books: Books) -> list[int]:
    with books.read() as session:
        return [t.task_id for t in task_list(session, TaskFilter()).tasks if not t.final]


def test_run_task_gives_the_task_as_it_ended(place: Workplace) -> None:
    async def scene() -> TaskView:
        driver = asyncio.create_task(drive(place))
        spec = {"name": "user.alice.hello", "command": "true", "n_jobs": 2}
        task = await flows.run_task(spec, "alice", timeout_seconds=30)
        await driver
        return task

    task = asyncio.run(scene())

    assert (task.name, task.user, task.status) == ("user.alice.hello", "alice", "aborted")


def test_run_task_of_the_same_key_is_the_same_task(place: Workplace) -> None:
    first = submit(place.books, a_spec(), "alice", "my key").task_id

    with pytest.raises(WaitTimedOut, match=f"task {first}: registered"):
        asyncio.run(flows.run_task(a_spec(), "alice", key="my key", timeout_seconds=0.1))


def test_run_task_names_every_fault_of_a_specification() -> None:
    with pytest.raises(InvalidRequest) as raised:
        asyncio.run(flows.run_task({"name": "a/b", "n_jobs": -1}, "alice"))

    assert {fault.field for fault in raised.value.faults} == {"name", "command", "n_jobs"}


def test_waiting_for_no_task_is_not_found() -> None:
    with pytest.raises(NotFound):
        asyncio.run(flows.wait_for_task(4711))


def test_processes_of_their_own_open_the_books_that_the_settings_name(
    monkeypatch: pytest.MonkeyPatch, books: Books
) -> None:
    monkeypatch.setenv("CULM_DATABASE_URL", books.url)
    workplace.our_workplace.cache_clear()

    mine = workplace.our_workplace()

    assert (mine.books.url, mine is workplace.our_workplace()) == (books.url, True)
    mine.close()
    workplace.our_workplace.cache_clear()
