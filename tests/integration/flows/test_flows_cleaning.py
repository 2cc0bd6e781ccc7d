"""Prefect's database kept small, by its API."""

from __future__ import annotations

import time
from typing import cast

import httpx
import pytest

from flows import cleaning
from flows.cleaning import clean_flow_runs, end_lost_shifts, post
from tasks.store.books import Books
from tests.integration.flows.prefect_scene import PrefectServer, wait_until

pytestmark = pytest.mark.slow
NO_BOOKS = cast(Books, None)


@pytest.fixture(autouse=True)
def _point_at(prefect: PrefectServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", prefect.api)


def a_flow_run(prefect: PrefectServer, flow: str, name: str, state: str) -> str:
    """A flow run that enters `state` now."""
    with httpx.Client(base_url=prefect.api, timeout=20) as client:
        flow_id = post(client, "/flows/", {"name": flow})["id"]
        run = str(post(client, "/flow_runs/", {"flow_id": flow_id, "name": name})["id"])
        for each in dict.fromkeys(("RUNNING", state)):
            set_state = {"state": {"type": each}, "force": True}
            post(client, f"/flow_runs/{run}/set_state", set_state)
        return run


def state_of(prefect: PrefectServer, run: str) -> str | None:
    found = prefect.find("flow_runs", flow_runs={"id": {"any_": [run]}})
    return found[0]["state_type"] if found else None


def test_old_flow_runs_of_ours_are_deleted_and_no_others(prefect: PrefectServer) -> None:
    gone = [a_flow_run(prefect, "refine", f"refine {i}", "COMPLETED") for i in range(3)]
    gone.append(a_flow_run(prefect, "lost_jobs", "lost_jobs", "FAILED"))
    kept = [
        a_flow_run(prefect, "refine", "refine shift running", "RUNNING"),
        a_flow_run(prefect, "alices_own_flow", "alice", "COMPLETED"),
    ]
    time.sleep(1)  # what came before this second is old
    kept.append(a_flow_run(prefect, "refine", "refine young", "COMPLETED"))

    words = clean_flow_runs(NO_BOOKS, keep_days=1 / 86_400)

    assert words.endswith("flow runs deleted")
    assert [state_of(prefect, run) for run in gone] == [None] * 4
    assert None not in [state_of(prefect, run) for run in kept]


def test_more_than_a_page_is_deleted(
    prefect: PrefectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "PAGE", 2)
    gone = [a_flow_run(prefect, "collect", f"collect {i}", "COMPLETED") for i in range(5)]
    time.sleep(1)

    clean_flow_runs(NO_BOOKS, keep_days=1 / 86_400)

    assert [state_of(prefect, run) for run in gone] == [None] * 5
    assert clean_flow_runs(NO_BOOKS, keep_days=1 / 86_400) == ""


def test_shifts_of_dead_daemons_are_ended(prefect: PrefectServer) -> None:
    dead = a_flow_run(prefect, "feed", "feed shift host:9:zz", "RUNNING")
    users = a_flow_run(prefect, "alices_own_flow", "a shift by hand", "RUNNING")
    time.sleep(1)
    alive = a_flow_run(prefect, "feed", "feed shift host:8:yy", "RUNNING")

    words = end_lost_shifts(NO_BOOKS, silent_minutes=1 / 60)

    assert words.endswith("lost shifts ended")
    assert wait_until(lambda: state_of(prefect, dead)) == "CRASHED"
    assert [state_of(prefect, run) for run in (alive, users)] == ["RUNNING", "RUNNING"]
