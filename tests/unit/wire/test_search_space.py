"""Search spaces: what is wrong is named, what is right stays inside (documentation, 4.1.3)."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.wire.search_space import Method, dimensions, space_faults

DOCUMENTED: dict[str, Any] = {
    "auto_lr": {
        "method": "categorical", "dimension": {"categories": [True, False], "grid_search": 0},
    },
    "batch_size": {"method": "uniformint", "dimension": {"low": 10, "high": 30}},
    "epoch": {"method": "uniformint", "dimension": {"low": 5, "high": 10}},
    "cnn_block_depths_1": {
        "method": "categorical", "dimension": {"categories": [1, 1, 2], "grid_search": 0},
    },
    "cnn_block_depths_2": {"method": "uniformint", "dimension": {"low": 1, "high": 3}},
}  # fmt: skip

RIGHT: dict[Method, dict[str, Any]] = {
    Method.CATEGORICAL: {"categories": ["adam", {"a": 1}, None, 1, True]},
    Method.UNIFORM: {"low": -1, "high": 2.5},
    Method.UNIFORMINT: {"low": -3, "high": 3},
    Method.QUNIFORM: {"low": 0, "high": 1, "q": 0.3},
    Method.LOGUNIFORM: {"low": 1e-5, "high": 10, "base": 10},
    Method.QLOGUNIFORM: {"low": 1, "high": 1000, "q": 8},
    Method.NORMAL: {"mu": 5, "sigma": 2},
    Method.QNORMAL: {"mu": 5, "sigma": 2, "q": 0.5},
    Method.LOGNORMAL: {"mu": 0, "sigma": 1},
    Method.QLOGNORMAL: {"mu": 1, "sigma": 1, "q": 1},
    Method.FIXED: {"value": "relu"},
}


def faults(space: dict[str, Any]) -> list[str]:
    return [str(fault) for fault in space_faults(space, "space")]


def one(method: str, **dimension: Any) -> dict[str, Any]:
    return {"lr": {"method": method, "dimension": dimension}}


def test_documented_example_is_right() -> None:
    assert faults(DOCUMENTED) == []


@pytest.mark.parametrize("method", Method)
def test_every_method_is_taken(method: Method) -> None:
    assert faults({"p": {"method": method, "dimension": RIGHT[method]}}) == []


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "space: empty - name at least one hyperparameter"),
        ({"lr": 3}, 'space.lr: 3 - an object with "method" and "dimension" is needed'),
        (one("unifrm", low=0, high=1),
         "space.lr.method: 'unifrm' - unknown; did you mean uniform?"),
        ({"lr": {"dimension": {}}}, "space.lr.method: missing - is required"),
        ({"lr": {"methd": "uniform", "method": "uniform", "dimension": {"low": 0, "high": 1}}},
         "space.lr.methd: 'uniform' - unknown; did you mean method?"),
        ({"lr": {"method": "uniform"}},
         "space.lr.dimension: missing - an object with high, low is needed"),
        (one("uniform", low=0), "space.lr.dimension.high: missing - uniform needs it"),
        (one("uniform", low=0, high=1, lwo=2),
         "space.lr.dimension.lwo: 2 - unknown; did you mean low?"),
        (one("uniform", low="0", high=1),
         "space.lr.dimension.low: '0' - a finite number is needed"),
        (one("uniform", low=True, high=1),
         "space.lr.dimension.low: True - a finite number is needed"),
        (one("uniform", low=1, high=1), "space.lr.dimension.high: 1 - must be above low, 1"),
        (one("uniformint", low=0.5, high=3),
         "space.lr.dimension.low: 0.5 - a whole number is needed"),
        (one("loguniform", low=0, high=1),
         "space.lr.dimension.low: 0 - must be above 0 for loguniform"),
        (one("quniform", low=0, high=1, q=0), "space.lr.dimension.q: 0 - must be above 0"),
        (one("normal", mu=0, sigma=-1), "space.lr.dimension.sigma: -1 - must be above 0"),
        (one("categorical", categories=[]),
         "space.lr.dimension.categories: [] - a list with some values"),
        (one("uniform", low=0, high=1, grid_points=0),
         "space.lr.dimension.grid_points: 0 - a whole number from 1"),
        (one("categorical", categories=["\x00"]),
         "space: some text - must not hold zero bytes or halves of characters"),
    ],
)  # fmt: skip
def test_wrong_spaces_are_named(space: dict[str, Any], words: str) -> None:
    assert words in faults(space)


def test_every_fault_is_named_at_once() -> None:
    space = {"a": {"method": "unifrm"}, "b": {"method": "uniform", "dimension": {"low": "x"}}}
    assert len(faults(space)) == 2


@given(st.sampled_from(sorted(set(Method) - {Method.CATEGORICAL, Method.FIXED})),
       st.floats(0, 1))  # fmt: skip
def test_values_are_inside_and_lead_back_to_their_place(method: Method, place: float) -> None:
    terms = RIGHT[method]
    [dim] = dimensions({"p": {"method": method, "dimension": terms}})
    value = dim.at(place)
    assert math.isfinite(value)
    assert terms.get("low", -math.inf) <= value <= terms.get("high", math.inf)
    if method == Method.UNIFORMINT:
        assert isinstance(value, int)
    if "q" in terms:
        assert value / terms["q"] == pytest.approx(round(value / terms["q"]))
    else:
        assert dim.at(dim.place_of(value)) == pytest.approx(value, rel=1e-6, abs=1e-9)
    assert 0 <= dim.place_of(value) <= 1


def test_choices_keep_their_types_and_lead_back() -> None:
    [dim] = dimensions(one("categorical", categories=[True, 1, 1.0, "1", None, [1, 2]]))
    assert [dim.at(dim.place_of(value)) for value in dim.choices] == list(dim.choices)
    assert [type(dim.at(dim.place_of(v))) for v in dim.choices] == [type(v) for v in dim.choices]


def test_a_value_that_stands_twice_is_likelier_but_once_in_a_grid() -> None:
    [dim] = dimensions(one("categorical", categories=[1, 1, 2]))
    assert dim.choices == (1, 1, 2)
    assert [dim.at(place) for place in dim.grid] == [1, 2]
