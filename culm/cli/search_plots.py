"""Plots of a search: history, parallel coordinates, importance; matplotlib is an extra."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import accumulate
from math import isfinite, log
from pathlib import Path
from typing import Any

from culm.core.errors import FieldFault, InvalidRequest, Misconfigured, UserError
from culm.core.nearest import unknown_name
from culm.wire.search_views import PointView, SearchView

KINDS = ("svg", "png")
_FEWEST = 4
"""Of fewer points no importance can be told."""


def write_plots(folder: Path, search: SearchView, kind: str = "svg") -> list[Path]:
    """Plots of each segment in a folder, which is made: `history`, `parallel`, `importance`.

    Points with a very large loss are left out; a plot for which there are too few points, too.

    Raises:
        Misconfigured: matplotlib is not installed.
        InvalidRequest: the kind of file is unknown.
        UserError: the folder cannot be written, or no point is evaluated yet.
    """
    if kind not in KINDS:
        fault = FieldFault("--format", kind, unknown_name(kind, KINDS))
        raise InvalidRequest("no such kind of plots", faults=[fault])
    if find_spec("matplotlib") is None:
        raise Misconfigured("plots need matplotlib", hint="pip install 'culm[plots]'")
    found = list(_plots(search))
    if not found:
        raise UserError(f"task {search.task_id} has no evaluated point to plot yet")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_write(folder / f"{name}.{kind}", draw) for name, draw in found]
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}") from error


Draw = Callable[[Any], None]


def _plots(search: SearchView) -> Iterator[tuple[str, Draw]]:
    for segment in dict.fromkeys(point.segment for point in search.points):
        points = [p for p in search.points if p.segment == segment and p.status == "evaluated"]
        if not points:
            continue
        suffix = f"_{segment}" if segment else ""
        title = search.name + (f", segment {segment}" if segment else "")
        yield f"history{suffix}", partial(_history, points=points, title=title)
        yield f"parallel{suffix}", partial(_parallel, points=points, title=title)
        shares = importance(points)
        if shares:
            yield f"importance{suffix}", partial(_bars, shares=shares, title=title)


def _write(path: Path, draw: Draw) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    draw(figure.add_subplot())
    figure.savefig(path, dpi=120)
    return path


def _losses(points: Sequence[PointView]) -> list[float]:
    return [float(point.loss or 0.0) for point in points]


def _history(axes: Any, points: Sequence[PointView], title: str) -> None:
    numbers, losses = [p.point_nr for p in points], _losses(points)
    axes.plot(numbers, losses, "o", color="tab:blue", alpha=0.6, label="loss")
    best = list(accumulate(losses, min))
    axes.step(numbers, best, where="post", color="tab:red", label="best so far")
    if min(losses) > 0 and max(losses) > 100 * min(losses):
        axes.set_yscale("log")
    axes.set(xlabel="point", ylabel="loss", title=title)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(visible=True, alpha=0.3)
    axes.legend()


def _parallel(axes: Any, points: Sequence[PointView], title: str) -> None:
    """Lines from axis to axis, one a point; the darker, the smaller its loss."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    names, losses = sorted(points[0].parameters), _losses(points)
    scales = [Scale([p.parameters.get(name) for p in points]) for name in names]
    scale, colours = Normalize(min(losses), max(losses)), colormaps["viridis"]
    # The best on top.
    for point, loss in sorted(zip(points, losses, strict=True), key=lambda pair: -pair[1]):
        row = [s.at(point.parameters.get(n)) for s, n in zip(scales, names, strict=True)]
        axes.plot(range(len(names)), row, color=colours(scale(loss)), alpha=0.7)
    for place, each in enumerate(scales):
        axes.axvline(place, color="black", linewidth=0.8)
        for height, words in each.labels():
            box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1}
            axes.text(place + 0.02, height, words, fontsize=8, va="center", bbox=box)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks([])
    axes.set(title=title, xlim=(-0.2, len(names) - 0.7), ylim=(-0.05, 1.05))
    axes.figure.colorbar(ScalarMappable(scale, colours), ax=axes, label="loss")


class Scale:
    """Values of one hyperparameter on an axis from 0 to 1: numbers by size, others in order.

    Numbers that are far apart, by their logarithms.
    """

    def __init__(self, values: Sequence[Any]) -> None:
        self._numbers = all(is_number(value) for value in values)
        kinds = {json.dumps(value, sort_keys=True): value for value in values}
        self._names = sorted(kinds)
        numbers = [float(value) for value in values] if self._numbers else [0.0]
        self._low, self._high = min(numbers), max(numbers)
        self._by_log = 0 < self._low < self._high / 100

    def at(self, value: Any) -> float:
        """Where a value stands."""
        if self._by_log:
            return log(float(value) / self._low) / log(self._high / self._low)
        if self._numbers:
            width = self._high - self._low
            return (float(value) - self._low) / width if width else 0.5
        return self._height(self._names.index(json.dumps(value, sort_keys=True)))

    def labels(self) -> list[tuple[float, str]]:
        """What to write beside the axis, and at which heights."""
        if self._numbers:
            ends = [self._low, self._high] if self._low < self._high else [self._low]
            return [(self.at(value), f"{value:.4g}") for value in ends]
        return [(self._height(place), name[:20]) for place, name in enumerate(self._names)]

    def _height(self, place: int) -> float:
        return place / (len(self._names) - 1) if len(self._names) > 1 else 0.5


def is_number(value: Any) -> bool:
    """Whether a hyperparameter's value is a finite number."""
    right = isinstance(value, (int, float)) and not isinstance(value, bool)
    return right and isfinite(value)


def importance(points: Sequence[PointView]) -> dict[str, float]:
    """The share of each hyperparameter in how much the loss varies (PED-ANOVA); empty: unknown."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    kinds = {name: _distribution([p.parameters.get(name) for p in points])
             for name in points[0].parameters}  # fmt: skip
    if len(points) < _FEWEST or len(set(_losses(points))) < 2 or not kinds:
        return {}
    study = optuna.create_study()
    study.add_trials([
        optuna.trial.create_trial(
            value=loss, distributions=kinds,
            params={name: _plain(point.parameters.get(name)) for name in kinds},
        )
        for point, loss in zip(points, _losses(points), strict=True)
    ])  # fmt: skip
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(share) for name, share in found.items() if isfinite(share)}


def _distribution(values: Sequence[Any]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if all(is_number(value) for value in values):
        return FloatDistribution(float(min(values)), float(max(values)))
    return CategoricalDistribution(sorted({_plain(value) for value in values}, key=str))


def _plain(value: Any) -> Any:
    return float(value) if is_number(value) else json.dumps(value, sort_keys=True)


def _bars(axes: Any, shares: dict[str, float], title: str) -> None:
    ordered = sorted(shares.items(), key=lambda pair: pair[1])
    bars = axes.barh([name for name, _ in ordered], [share for _, share in ordered])
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.set(xlabel="importance", title=title, xlim=(0, max(1.0, *shares.values()) * 1.1))
