"""Watchdogs that other distributions offer."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from culm.core.errors import Misconfigured
from flows import daemons, deployments
from flows.table import GROUP, TABLE, all_rows

PLUGIN = """
from flows.table import Row

def count_moons(books, most=3):
    return f"{most} moons"

moons = Row(name="count_moons", words="Moons are counted.", function="stargazers:count_moons",
            period_seconds=30, arguments={"most": 5})
number = 5
stage = Row(name="generate", words="", function="stargazers:count_moons", period_seconds=1)
ours = Row(name="lost_jobs", words="", function="stargazers:count_moons", period_seconds=1)
idle = Row(name="idle", words="", function="stargazers:count_moons", period_seconds=0)
hollow = Row(name="hollow", words="", function="stargazers:nothing", period_seconds=1)
spaced = Row(name="two words", words="", function="stargazers:count_moons", period_seconds=1)
"""
Offer = Callable[[str], None]


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Offer]:
    """Installs a distribution of somebody else that offers one of its objects."""
    (tmp_path / "stargazers.py").write_text(PLUGIN)
    info = tmp_path / "stargazers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stargazers\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(name: str) -> None:
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = stargazers:{name}\n")
        importlib.invalidate_caches()

    yield install
    sys.modules.pop("stargazers", None)


def test_installed_watchdog_runs_as_ours_do(offer: Offer) -> None:
    offer("moons")
    *ours, row = all_rows()
    assert tuple(ours) == TABLE
    assert row.load()(None, **row.arguments) == "5 moons"
    flow = daemons.count_moons
    assert (flow.name, flow.description) == ("count_moons", "Moons are counted.")
    [deployment] = [d for d in deployments.document()["deployments"] if d["name"] == row.name]
    assert deployment["entrypoint"] == "flows.daemons.count_moons"
    assert deployment["schedules"] == [{"interval": 60, "parameters": {"for_seconds": 45}}]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("number", "it is a int, a flows.table.Row is needed"),
        ("stage", "another flow is named generate too"),
        ("ours", "another flow is named lost_jobs too"),
        ("idle", "its period is 0 s, more than 0 is needed"),
        ("hollow", "stargazers:nothing cannot be loaded"),
        ("spaced", "its name 'two words' is no identifier"),
        ("missing", "cannot be loaded from stargazers:missing"),
    ],
)
def test_plugin_that_is_no_watchdog_is_named(offer: Offer, name: str, words: str) -> None:
    offer(name)
    with pytest.raises(Misconfigured, match=f"plugin {name} of group {GROUP}.*{words}"):
        all_rows()


def test_without_plugins_there_is_the_table() -> None:
    assert all_rows() == TABLE
    with pytest.raises(AttributeError, match="count_moons"):
        _ = daemons.count_moons
