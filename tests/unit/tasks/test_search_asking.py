"""The built-in samplers: inside the space, rebuilt from rows, better than chance."""

from __future__ import annotations

from typing import Any

import pytest

from culm.wire.search import Sampler
from culm.wire.search_space import dimensions
from tasks.searches.asking import Tried, ask, grid_size, most_points

SPACE: dict[str, Any] = {
    "x": {"method": "uniform", "dimension": {"low": -5, "high": 5}},
    "lr": {"method": "loguniform", "dimension": {"low": 1e-4, "high": 1}},
    "n": {"method": "uniformint", "dimension": {"low": 1, "high": 4}},
    "act": {"method": "categorical", "dimension": {"categories": ["relu", "tanh", True]}},
}
SEED = 7


def loss(point: dict[str, Any]) -> float:
    return float((point["x"] - 1) ** 2 + (point["lr"] - 0.1) ** 2 + (point["act"] != "tanh"))


def searched(sampler: Sampler, n_points: int, seed: int = SEED) -> list[Tried]:
    """Rounds of two, evaluated each before the next."""
    tried: list[Tried] = []
    while len(tried) < n_points:
        tried += [Tried(p, loss(p)) for p in ask(SPACE, sampler, seed, tried, 2)]
    return tried


@pytest.mark.parametrize("sampler", Sampler)
def test_points_are_inside_the_space(sampler: Sampler) -> None:
    for one in searched(sampler, 24):
        point = one.parameters
        assert list(point) == ["act", "lr", "n", "x"]
        assert -5 <= point["x"] <= 5
        assert 1e-4 <= point["lr"] <= 1
        assert point["n"] in (1, 2, 3, 4)
        assert point["act"] in ("relu", "tanh", True)


@pytest.mark.parametrize("sampler", Sampler)
def test_same_rows_give_the_same_points_and_another_seed_others(sampler: Sampler) -> None:
    tried = [*searched(sampler, 12), Tried(searched(sampler, 14)[-1].parameters, None)]
    first = ask(SPACE, sampler, SEED, tried, 3)
    assert ask(SPACE, sampler, SEED, tried, 3) == first
    assert ask(SPACE, sampler, SEED + 1, tried, 3) != first


@pytest.mark.parametrize("sampler", [Sampler.TPE, Sampler.CMAES])
def test_learning_samplers_come_nearer_than_chance(sampler: Sampler) -> None:
    def found(how: Sampler, seed: int) -> float:
        return min(float(one.loss or 0) for one in searched(how, 40, seed))

    seeds = range(5)
    learnt = sorted(found(sampler, seed) for seed in seeds)
    chance = sorted(found(Sampler.RANDOM, seed) for seed in seeds)
    assert learnt[2] < chance[2]


def test_grid_has_each_point_once() -> None:
    space = {
        "n": {"method": "uniformint", "dimension": {"low": 1, "high": 4}},
        "a": {"method": "categorical", "dimension": {"categories": ["x", "y", "x"]}},
        "u": {"method": "uniform", "dimension": {"low": 0, "high": 1, "grid_points": 3}},
    }
    assert grid_size(dimensions(space)) == 24
    assert most_points(space, Sampler.GRID, 100) == 24
    assert most_points(space, Sampler.GRID, 10) == 10
    assert most_points(space, Sampler.TPE, 100) == 100
    tried: list[Tried] = []
    while new := ask(space, Sampler.GRID, SEED, tried, 5):
        tried += [Tried(point, None) for point in new]
    places = {tuple(one.parameters.values()) for one in tried}
    assert len(tried) == len(places) == 24


def test_huge_grid_costs_nothing() -> None:
    space = {f"p{i}": SPACE["x"] for i in range(60)}
    assert grid_size(dimensions(space)) == 10**15
    assert len(ask(space, Sampler.GRID, SEED, [], 3)) == 3


def test_cmaes_with_choices_alone_draws_them() -> None:
    points = ask({"act": SPACE["act"]}, Sampler.CMAES, SEED, [], 20)
    assert {str(point["act"]) for point in points} == {"relu", "tanh", "True"}


def test_values_outside_the_space_do_not_stop_the_search() -> None:
    odd = {"x": 99, "lr": 5.0, "n": -3, "act": "gelu"}
    for sampler in Sampler:
        assert len(ask(SPACE, sampler, SEED, [Tried(odd, 1.0)] * 30, 2)) == 2
