"""The search space of a hyperparameter search, as its file says it (documentation, 4.1.3).

`{"lr": {"method": "loguniform", "dimension": {"low": 1e-4, "high": 0.1}}, …}`. Every dimension is
a way from the unit interval (or from the number of a choice) to the values that the user knows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Any

from culm.core.errors import FieldFault
from culm.core.nearest import unknown_name
from culm.wire.shapes import half_characters

MAX_DIMENSIONS = 1000
_EDGE = 1e-9
"""How near a normal's quantile may come to 0 or 1, where its value would be infinite."""
_GRID = 5
"""How many values of a continuous dimension a grid takes, if the file does not say."""


class Method(StrEnum):
    """How a dimension is drawn."""

    CATEGORICAL = "categorical"
    UNIFORM = "uniform"
    UNIFORMINT = "uniformint"
    QUNIFORM = "quniform"
    LOGUNIFORM = "loguniform"
    QLOGUNIFORM = "qloguniform"
    NORMAL = "normal"
    QNORMAL = "qnormal"
    LOGNORMAL = "lognormal"
    QLOGNORMAL = "qlognormal"
    FIXED = "fixed"


_RANGE, _BELL = frozenset({"low", "high"}), frozenset({"mu", "sigma"})
_NEEDED: Mapping[Method, frozenset[str]] = {
    Method.CATEGORICAL: frozenset({"categories"}),
    Method.UNIFORM: _RANGE,
    Method.UNIFORMINT: _RANGE,
    Method.QUNIFORM: _RANGE | {"q"},
    Method.LOGUNIFORM: _RANGE,
    Method.QLOGUNIFORM: _RANGE | {"q"},
    Method.NORMAL: _BELL,
    Method.QNORMAL: _BELL | {"q"},
    Method.LOGNORMAL: _BELL,
    Method.QLOGNORMAL: _BELL | {"q"},
    Method.FIXED: frozenset({"value"}),
}
_MAY = frozenset({"grid_points", "base", "grid_search"})
"""What a dimension may say besides: how many values a grid takes; the rest other tools read."""
_LOG_RANGES = (Method.LOGUNIFORM, Method.QLOGUNIFORM)
_LOG_BELLS = (Method.LOGNORMAL, Method.QLOGNORMAL)
_BELLS = (Method.NORMAL, Method.QNORMAL, *_LOG_BELLS)
_QUANTIZED = (Method.QUNIFORM, Method.QLOGUNIFORM, Method.QNORMAL, Method.QLOGNORMAL)


def space_faults(space: Mapping[str, Any], where: str) -> Iterator[FieldFault]:
    """Everything that is wrong with a space; `where` is put before each field's name."""
    if not space:
        yield FieldFault(where, "empty", "name at least one hyperparameter")
    if len(space) > MAX_DIMENSIONS:
        yield FieldFault(where, f"{len(space)} dimensions", f"at most {MAX_DIMENSIONS}")
    if not can_be_kept(space):
        yield FieldFault(where, "some text", "must not hold zero bytes or halves of characters")
    for name, entry in space.items():
        yield from entry_faults(f"{where}.{name}", entry)


def can_be_kept(value: Any) -> bool:
    """Whether a database takes this JSON value: no zero bytes, no lone surrogates."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return False
    return "\\u0000" not in text and not half_characters(text)


def entry_faults(where: str, entry: Any) -> Iterator[FieldFault]:
    """Everything that is wrong with one hyperparameter of a space."""
    if not isinstance(entry, Mapping):
        yield FieldFault(where, _shown(entry), 'an object with "method" and "dimension" is needed')
        return
    for key in sorted(set(entry) - {"method", "dimension"}):
        yield FieldFault(
            f"{where}.{key}", _shown(entry[key]), unknown_name(key, ["method", "dimension"])
        )
    method, dimension = entry.get("method"), entry.get("dimension")
    if method not in list(Method):
        words = unknown_name(str(method), list(Method)) if "method" in entry else "is required"
        yield FieldFault(f"{where}.method", _shown(method) if "method" in entry else "missing",
                         words)  # fmt: skip
    elif not isinstance(dimension, Mapping):
        needed = f"an object with {', '.join(sorted(_NEEDED[Method(method)]))} is needed"
        shown = _shown(dimension) if "dimension" in entry else "missing"
        yield FieldFault(f"{where}.dimension", shown, needed)
    else:
        yield from _dimension_faults(f"{where}.dimension", Method(method), dimension)


def _dimension_faults(
    where: str, method: Method, dimension: Mapping[str, Any]
) -> Iterator[FieldFault]:
    needed = _NEEDED[method]
    for key in sorted(needed - set(dimension)):
        yield FieldFault(f"{where}.{key}", "missing", f"{method} needs it")
    for key in sorted(set(dimension) - needed - _MAY):
        words = unknown_name(key, needed | _MAY)
        yield FieldFault(f"{where}.{key}", _shown(dimension[key]), words)
    if not needed <= set(dimension):
        return
    faults = list(_type_faults(where, method, dimension))
    yield from faults or _order_faults(where, method, dimension)


def _type_faults(where: str, method: Method, dimension: Mapping[str, Any]) -> Iterator[FieldFault]:
    for key in sorted(_NEEDED[method] - {"categories", "value"}):
        value = dimension[key]
        if not _is_number(value):
            yield FieldFault(f"{where}.{key}", _shown(value), "a finite number is needed")
        elif method == Method.UNIFORMINT and value != int(value):
            yield FieldFault(f"{where}.{key}", _shown(value), "a whole number is needed")
    categories = dimension.get("categories", [0])
    if not isinstance(categories, (list, tuple)) or not categories:
        yield FieldFault(f"{where}.categories", _shown(categories), "a list with some values")
    grid_points = dimension.get("grid_points", 1)
    if not isinstance(grid_points, int) or isinstance(grid_points, bool) or grid_points < 1:
        yield FieldFault(f"{where}.grid_points", _shown(grid_points), "a whole number from 1")


def _order_faults(where: str, method: Method, dimension: Mapping[str, Any]) -> Iterator[FieldFault]:
    if "low" in _NEEDED[method]:
        low, high = dimension["low"], dimension["high"]
        if low > high or (low == high and method != Method.UNIFORMINT):
            yield FieldFault(f"{where}.high", _shown(high), f"must be above low, {_shown(low)}")
        if method in _LOG_RANGES and low <= 0:
            yield FieldFault(f"{where}.low", _shown(low), f"must be above 0 for {method}")
    for key in ("sigma", "q"):
        if key in _NEEDED[method] and dimension[key] <= 0:
            yield FieldFault(f"{where}.{key}", _shown(dimension[key]), "must be above 0")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _shown(value: Any) -> str:
    return ascii(value)[:80]


@dataclass(frozen=True, slots=True)
class Dimension:
    """One hyperparameter that can be drawn.

    `choices` are the values of a categorical one; others have none. A place on a dimension is
    the number of a choice, or a number from 0 to 1.
    """

    name: str
    choices: tuple[Any, ...]
    at: Callable[[float], Any]
    place_of: Callable[[Any], float]
    grid: tuple[float, ...]

    @property
    def is_choice(self) -> bool:
        """Whether its places are the numbers of choices."""
        return bool(self.choices)


def dimensions(space: Mapping[str, Any]) -> list[Dimension]:
    """The dimensions of a space that was checked, in the order of their names."""
    return [_dimension(name, space[name]) for name in sorted(space)]


def _dimension(name: str, entry: Mapping[str, Any]) -> Dimension:
    method, terms = Method(entry["method"]), entry["dimension"]
    if method in (Method.CATEGORICAL, Method.FIXED):
        return _choice(name, [terms["value"]] if method == Method.FIXED else terms["categories"])
    if method == Method.UNIFORMINT:
        return _whole(name, int(terms["low"]), int(terms["high"]), terms.get("grid_points"))
    if method in _BELLS:
        at, place_of = _bell(float(terms["mu"]), float(terms["sigma"]), method in _LOG_BELLS)
        low, high = -math.inf, math.inf
    else:
        low, high = float(terms["low"]), float(terms["high"])
        at, place_of = _span(low, high, method in _LOG_RANGES)
    if method in _QUANTIZED:
        at = _rounded(at, float(terms["q"]), low, high)
    n = terms.get("grid_points", _GRID)
    grid = tuple((i + 0.5) / n for i in range(n))
    return Dimension(name, (), at, place_of, grid)


def _choice(name: str, choices: list[Any]) -> Dimension:
    values = tuple(choices)

    def place_of(value: Any) -> float:
        # By type too: in JSON, true and 1 are two values.
        same = (i for i, v in enumerate(values) if type(v) is type(value) and v == value)
        return float(next(same, 0))

    grid = {place_of(value): None for value in values}  # a value that stands twice, once
    return Dimension(name, values, lambda place: values[int(place)], place_of, tuple(grid))


def _whole(name: str, low: int, high: int, grid_points: int | None) -> Dimension:
    n = high - low + 1

    def at(place: float) -> int:
        return low + min(int(place * n), n - 1)

    def place_of(value: Any) -> float:
        return min(max((float(value) - low + 0.5) / n, 0.0), 1.0)

    count = min(n, grid_points or n, 10_000)
    return Dimension(name, (), at, place_of, tuple((i + 0.5) / count for i in range(count)))


_Way = tuple[Callable[[float], float], Callable[[Any], float]]


def _span(low: float, high: float, is_log: bool) -> _Way:
    bottom, top = (math.log(low), math.log(high)) if is_log else (low, high)

    def at(place: float) -> float:
        found = bottom + place * (top - bottom)
        return min(max(math.exp(found) if is_log else found, low), high)

    def place_of(value: Any) -> float:
        found = math.log(max(value, low)) if is_log else value
        return min(max((found - bottom) / (top - bottom), 0.0), 1.0)

    return at, place_of


def _bell(mu: float, sigma: float, is_log: bool) -> _Way:
    """A normal distribution by its quantiles; `is_log`: of the value's natural logarithm."""
    bell = NormalDist(mu, sigma)

    def at(place: float) -> float:
        found = bell.inv_cdf(min(max(place, _EDGE), 1 - _EDGE))
        return math.exp(found) if is_log else found

    def place_of(value: Any) -> float:
        return bell.cdf(math.log(max(value, 1e-300)) if is_log else value)

    return at, place_of


def _rounded(
    at: Callable[[float], float], q: float, low: float, high: float
) -> Callable[[float], float]:
    """The same in multiples of q, inside the range."""

    def rounded(place: float) -> float:
        found = round(at(place) / q) * q
        if found > high:
            found = math.floor(high / q) * q
        elif found < low:
            found = math.ceil(low / q) * q
        return found

    return rounded
