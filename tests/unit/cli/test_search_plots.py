"""Plots of a search: which files are written, and what is said when there is nothing to plot."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from culm.cli.search_plots import Scale, importance, write_plots
from culm.core.errors import InvalidRequest, UserError
from culm.wire.search_views import PointView, SearchView


def a_point(number: int, segment: str = "", **changes: Any) -> PointView:
    chance = random.Random(number)
    place = {"x": chance.uniform(-1, 1), "lr": 10 ** chance.uniform(-5, 0),
             "act": chance.choice(["relu", "tanh", None]), "depth": [1, number % 2]}  # fmt: skip
    values = {"point_nr": number, "parameters": place, "status": "evaluated", "segment": segment,
              "loss": place["x"] ** 2} | changes  # fmt: skip
    return PointView(**values)


def a_view(*points: PointView) -> SearchView:
    return SearchView(
        task_id=7, name="user.alice.s", status="done", final=True, reason="", version=1,
        sampler="tpe", seed=1, n_points=len(points), n_evaluated=len(points),
        most_points=len(points), n_jobs=0, most_jobs=9, points=points,
    )  # fmt: skip


def test_plots_of_each_segment_are_written(tmp_path: Path) -> None:
    points = [a_point(n, segment) for segment in ("arms", "legs") for n in range(1, 9)]
    written = write_plots(tmp_path / "new" / "plots", a_view(*points), "svg")
    names = [f"{kind}_{segment}.svg" for segment in ("arms", "legs")
             for kind in ("history", "parallel", "importance")]  # fmt: skip
    assert [path.name for path in written] == names
    assert all("<svg" in path.read_text() for path in written)


def test_what_matters_is_found() -> None:
    shares = importance([a_point(n) for n in range(1, 60)])
    assert max(shares, key=lambda name: shares[name]) == "x"
    assert sum(shares.values()) == pytest.approx(1)


def test_few_or_equal_points_have_no_importance(tmp_path: Path) -> None:
    assert importance([a_point(n) for n in (1, 2, 3)]) == {}
    assert importance([a_point(n, loss=1.0) for n in range(1, 9)]) == {}
    written = write_plots(tmp_path, a_view(a_point(1)), "png")
    assert [path.name for path in written] == ["history.png", "parallel.png"]


def test_search_with_nothing_to_plot_says_so(tmp_path: Path) -> None:
    hopeless = a_point(1, status="hopeless", loss=1e30)
    with pytest.raises(UserError, match="task 7 has no evaluated point to plot yet"):
        write_plots(tmp_path, a_view(hopeless, a_point(2, status="running", loss=None)))
    with pytest.raises(InvalidRequest) as caught:
        write_plots(tmp_path, a_view(a_point(1)), "pgn")
    assert "did you mean png?" in str(caught.value)


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/plots cannot be written"):
        write_plots(tmp_path / "file" / "plots", a_view(a_point(1)))


@pytest.mark.parametrize(
    ("values", "place", "height"),
    [
        ([1, 2, 3], 2, 0.5),
        ([5, 5], 5, 0.5),
        ([1e-4, 1e-2, 1.0], 1e-2, 0.5),
        (["a", "b", "c"], "b", 0.5),
        ([True, False], True, 1.0),
        ([None, None], None, 0.5),
    ],
)
def test_scales(values: list[Any], place: Any, height: float) -> None:
    assert Scale(values).at(place) == pytest.approx(height)
