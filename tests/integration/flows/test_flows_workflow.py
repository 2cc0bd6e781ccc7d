"""A workflow in Prefect: its flow run looks like the workflow, and is told what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

import flows
from culm.core.errors import NotFound, WaitTimedOut
from culm.core.settings import load_settings
from culm.wire.codec import encode
from culm.wire.workflow_runs import WorkflowView
from flows.pictures import Pictures
from flows.prefect_engine import PrefectEngine
from flows.workplace import Workplace
from tasks.store.books import Books
from tasks.store.wakeups import Waker
from tests.integration.flows.prefect_scene import (
    SQLITE_ONLY,
    PrefectServer,
    prefect_points_at,
    wait_until,
)
from tests.integration.tasks.workflow_scene import CHAIN, HEAD, LOOP, Hands, planned
from tests.integration.tasks.workflow_scene import chain as a_chain

pytestmark = [pytest.mark.slow, SQLITE_ONLY]


@pytest.fixture(autouse=True)
def _prefect(prefect: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("PREFECT_API_URL", prefect.api)
    with prefect_points_at(prefect):
        yield


@pytest.fixture(autouse=True)
def place(books: Books, waker: Waker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """The test's books as those of this process."""
    place = Workplace(load_settings({"data_dir": tmp_path}), books, waker, "host:1:ab")
    monkeypatch.setattr("flows.workflow_run.our_workplace", lambda: place)
    return place


def followed(hands: Hands, files: Mapping[str, str], name: str) -> WorkflowView:
    """The end of a workflow whose jobs run while its flow run follows it."""
    submission = planned("w.cwl", files, name=name).submission

    async def both() -> WorkflowView:
        flow = asyncio.create_task(flows.run_workflow(submission, "alice", timeout_seconds=60))
        while not flow.done():
            await asyncio.to_thread(hands.turn)
            await asyncio.sleep(0.1)
        return await flow

    return asyncio.run(both())


def runs_of(prefect: PrefectServer, root: str, n_runs: int) -> dict[str, str]:
    """Names of all runs below a flow run, with their states, once there are so many."""

    def look() -> dict[str, str] | None:
        (top,) = prefect.flow_runs(root)
        found: dict[str, str] = {}
        ids = [top["id"]]
        while ids:
            runs = prefect.find("task_runs", task_runs={"flow_run_id": {"any_": ids}}, limit=200)
            parts = prefect.find("flow_runs", limit=200, flow_runs={
                "parent_task_run_id": {"any_": [run["id"] for run in runs]}})  # fmt: skip
            shown = {part["parent_task_run_id"] for part in parts}
            named = [*parts, *(run for run in runs if run["id"] not in shown)]
            found |= {run["name"]: run["state"]["name"] for run in named}
            ids = [part["id"] for part in parts]
        settled = all(state not in ("Pending", "Running") for state in found.values())
        return found if len(found) >= n_runs and settled else None

    found: dict[str, str] = wait_until(look, 60, f"{n_runs} runs below {root}")
    return found


def test_graph_of_the_flow_run_is_the_workflow(books: Books, prefect: PrefectServer) -> None:
    hands = Hands(books)
    hands.decisions = [{"to_terminate": False}, {"to_terminate": True}]
    assert followed(hands, LOOP, "user.alice.picture").status == "done"
    found = runs_of(prefect, "run_workflow user.alice.picture", 9)
    assert found == dict.fromkeys(
        ("first", "again", "again#0", "again#0/work", "again#0/decide", "again#1",
         "again#1/work", "again#1/decide", "last"), "Completed",
    )  # fmt: skip


def test_failed_and_skipped_steps_show_as_such(books: Books, prefect: PrefectServer) -> None:
    hands = Hands(books)
    hands.bad = ("000_top",)
    steps = [f"  {name}:\n    run: prun\n    in:\n      opt_inDS: top/outDS\n"
             "      opt_exec: {default: 'true'}\n      opt_args: {default: '--outputs a.txt'}\n"
             f"    out: [outDS]\n    when: $({sign}self.opt_inDS)\n"
             for name, sign in (("good", ""), ("bad", "!"))]  # fmt: skip
    top = CHAIN[len(HEAD) :].split("  mid:")[0]
    files = {"w.cwl": HEAD + top + "".join(steps)}
    assert followed(hands, files, "user.alice.branches").status == "done"
    assert runs_of(prefect, "run_workflow user.alice.branches", 3) == {
        "top": "Failed", "good": "Skipped", "bad": "Completed"}  # fmt: skip


def test_flow_submits_once_and_follows_again(books: Books) -> None:
    submission = encode(planned("w.cwl", {"w.cwl": CHAIN}, name="user.alice.once").submission)
    hands = Hands(books)

    async def twice() -> list[int]:
        call = flows.run_workflow(submission, "alice", key="k", timeout_seconds=60)
        first = asyncio.create_task(call)
        while not first.done():
            await asyncio.to_thread(hands.turn)
            await asyncio.sleep(0.1)
        again = await flows.run_workflow(submission, "alice", key="k")
        return [(await first).workflow_id, again.workflow_id]

    assert len(set(asyncio.run(twice()))) == 1


def test_waiting_has_an_end_and_names_what_is_not_there(books: Books) -> None:
    made = a_chain(books)
    with pytest.raises(WaitTimedOut, match=f"workflow {made}: registered after 0.2 s"):
        asyncio.run(flows.run_workflow(made, timeout_seconds=0.2))
    with pytest.raises(NotFound, match="no workflow 99"):
        asyncio.run(flows.run_workflow(99))


def test_daemon_keeps_one_picture_of_each_workflow(
    books: Books, prefect: PrefectServer, place: Workplace
) -> None:
    hands = Hands(books)
    made = a_chain(books, name="user.alice.kept")
    title = f"workflow {made} user.alice.kept"
    other = replace(place, owner="host:2:cd")

    async def both_daemons() -> None:
        kept = [asyncio.create_task(Pictures(one, PrefectEngine().draw, lambda: True).run())
                for one in (place, other)]  # fmt: skip
        await asyncio.to_thread(wait_until, lambda: prefect.flow_runs(title), 60, title)
        await asyncio.to_thread(hands.to_the_end)
        await asyncio.to_thread(wait_until, ended, 60, f"the end of {title}")
        for one in kept:
            one.cancel()

    def ended() -> bool:
        return [run["state"]["type"] for run in prefect.flow_runs(title)] == ["COMPLETED"]

    asyncio.run(both_daemons())
    (run,) = prefect.flow_runs(title)
    assert run["state"]["message"] == "done"


def test_picture_of_a_dead_daemon_is_ended_before_another_is_drawn(
    books: Books, prefect: PrefectServer, place: Workplace
) -> None:
    hands = Hands(books)
    made = a_chain(books, name="user.alice.twice")
    title = f"workflow {made} user.alice.twice"

    async def one_after_the_other() -> None:
        first = asyncio.create_task(PrefectEngine().draw(place, made, "user.alice.twice"))
        await asyncio.to_thread(wait_until, lambda: prefect.flow_runs(title), 60, title)
        second = Pictures(place, PrefectEngine().draw, lambda: True)
        drawing = asyncio.create_task(second.run())
        await asyncio.to_thread(wait_until, crashed, 60, "the first picture to be ended")
        await asyncio.to_thread(hands.to_the_end)
        await asyncio.to_thread(wait_until, completed, 60, "the second picture's end")
        first.cancel()
        drawing.cancel()

    def states() -> set[str]:
        return {run["state"]["type"] for run in prefect.flow_runs(title)}

    def crashed() -> bool:
        return "CRASHED" in states()

    def completed() -> bool:
        return "COMPLETED" in states()

    asyncio.run(one_after_the_other())
