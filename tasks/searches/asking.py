"""The built-in ways to choose new points: ask-and-tell by optuna and cmaes.

Nothing is remembered between two rounds: what was learnt is told again from the points in the
books, and chance is drawn from the search's seed and the number of points there are. So the same
books give the same points, in whatever process and however often it was killed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, gcd, log, prod
from typing import TYPE_CHECKING, Any

from culm.wire.search import Sampler
from culm.wire.search_space import Dimension, dimensions

if TYPE_CHECKING:
    import optuna

MAX_GRID = 10**15


@dataclass(frozen=True, slots=True)
class Tried:
    """A point that was made before. `loss` is None as long as it was not evaluated."""

    parameters: dict[str, Any]
    loss: float | None


def most_points(space: dict[str, Any], sampler: Sampler | None, max_points: int) -> int:
    """How many points a search can have: a grid may hold fewer than it was given."""
    if sampler != Sampler.GRID:
        return max_points
    return min(max_points, grid_size(dimensions(space)))


def ask(
    space: dict[str, Any], sampler: Sampler, seed: int, tried: Sequence[Tried], n_points: int
) -> list[dict[str, Any]]:
    """So many new points of the space, given all that was tried before, in order."""
    scale = dimensions(space)
    asker = {
        Sampler.TPE: _by_optuna,
        Sampler.RANDOM: _by_optuna,
        Sampler.CMAES: _by_cmaes,
        Sampler.GRID: _by_grid,
    }[sampler]
    places = asker(_Ask(scale, sampler, seed, tried), n_points)
    return [
        {dim.name: dim.at(place) for dim, place in zip(scale, row, strict=True)} for row in places
    ]


@dataclass(frozen=True, slots=True)
class _Ask:
    scale: list[Dimension]
    sampler: Sampler
    seed: int
    tried: Sequence[Tried]

    @property
    def round_seed(self) -> int:
        """A seed of this round's own, else every round would draw the same."""
        return (self.seed * 1_000_003 + len(self.tried)) % 2**31


def _by_optuna(asked: _Ask, n_points: int) -> list[list[float]]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    seed = asked.round_seed
    by_chance = asked.sampler == Sampler.RANDOM
    sampler: optuna.samplers.BaseSampler = (
        optuna.samplers.RandomSampler(seed=seed)
        if by_chance
        # Points that others evaluate now count as bad ones: rounds beside them look elsewhere.
        else optuna.samplers.TPESampler(seed=seed, constant_liar=True)
    )
    study = optuna.create_study(sampler=sampler, direction="minimize")
    kinds = {dim.name: _distribution(dim) for dim in asked.scale}
    if not by_chance:
        study.add_trials([_trial(one, asked.scale, kinds) for one in asked.tried])
    found = (study.ask(kinds).params for _ in range(n_points))
    return [[float(row[dim.name]) for dim in asked.scale] for row in found]


def _distribution(dim: Dimension) -> optuna.distributions.BaseDistribution:
    import optuna

    if dim.is_choice:
        return optuna.distributions.CategoricalDistribution(range(len(dim.choices)))
    return optuna.distributions.FloatDistribution(0.0, 1.0)


def _trial(
    one: Tried, scale: list[Dimension], kinds: dict[str, optuna.distributions.BaseDistribution]
) -> optuna.trial.FrozenTrial:
    import optuna

    states = optuna.trial.TrialState
    places = {dim.name: _place(dim, one) for dim in scale}
    return optuna.trial.create_trial(
        state=states.RUNNING if one.loss is None else states.COMPLETE,
        value=one.loss, params=places, distributions=kinds,
    )  # fmt: skip


def _place(dim: Dimension, one: Tried) -> float | int:
    place = dim.place_of(one.parameters[dim.name])
    return int(place) if dim.is_choice else place


def _by_cmaes(asked: _Ask, n_points: int) -> list[list[float]]:
    """CMA-ES over what is no choice; choices are drawn evenly.

    A generation is told when all of it were evaluated; until then more points are drawn from
    what is known.
    """
    import numpy as np
    from cmaes import CMA

    free = [dim for dim in asked.scale if not dim.is_choice]
    chance = random.Random(asked.round_seed)  # noqa: S311 - no secret
    drawn = np.zeros((n_points, len(free)))
    if free:
        size = max(4, 4 + floor(3 * log(len(free))))
        bounds = np.array([[0.0, 1.0]] * len(free))
        cma = CMA(mean=np.full(len(free), 0.5), sigma=0.3, bounds=bounds,
                  seed=asked.round_seed, population_size=size)  # fmt: skip
        for start in range(0, len(asked.tried) - size + 1, size):
            generation = asked.tried[start : start + size]
            if any(one.loss is None for one in generation):
                break
            cma.tell([(np.array([_place(dim, one) for dim in free]), float(one.loss or 0.0))
                      for one in generation])  # fmt: skip
        drawn = np.array([cma.ask() for _ in range(n_points)])
    rows = []
    for row in drawn:
        values = iter(row)
        rows.append([
            float(chance.randrange(len(dim.choices))) if dim.is_choice else float(next(values))
            for dim in asked.scale
        ])  # fmt: skip
    return rows


def grid_size(scale: Sequence[Dimension]) -> int:
    """How many points the grid over these dimensions has, at most 10^15."""
    return min(prod(len(dim.grid) for dim in scale), MAX_GRID)


def _by_grid(asked: _Ask, n_points: int) -> list[list[float]]:
    """The next points of a grid, in an order by which its first ones are far apart.

    The order is a walk with a step that shares no factor with the grid's size, so each point
    comes once and none need be remembered.
    """
    size, start = grid_size(asked.scale), len(asked.tried)
    chance = random.Random(asked.seed)  # noqa: S311 - no secret
    first, step = chance.randrange(size), chance.randrange(1, size + 1)
    while gcd(step, size) != 1:
        step += 1
    numbers = range(start, min(start + n_points, size))
    return [_of_grid(asked.scale, (first + number * step) % size) for number in numbers]


def _of_grid(scale: Sequence[Dimension], number: int) -> list[float]:
    row = []
    for dim in scale:
        number, place = divmod(number, len(dim.grid))
        row.append(dim.grid[place])
    return row
