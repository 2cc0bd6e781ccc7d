"""The value of a link: its sources merged, picked from, with its default (CWL 1.2, 4.2.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

from cwl.plan import Link, LinkMerge, PickValue, Scatter, ScatterMethod

MAX_BRANCHES = 100_000
"""A scatter over more is refused: it was hardly meant."""


class StepFault(Exception):
    """A step cannot run: why, in words."""


def gather(link: Link, value_of: Callable[[str], Any]) -> Any:
    """The value of a link before its `value_from`.

    Raises:
        StepFault: nothing can be picked.
    """
    value = _picked(link.pick, _merged(link, [value_of(source) for source in link.sources]))
    return link.default if value is None else value


def _merged(link: Link, values: list[Any]) -> Any:
    if link.merge is LinkMerge.FLATTENED:
        return [one for value in values for one in (value if isinstance(value, list) else [value])]
    if link.merge is LinkMerge.NESTED or len(values) > 1:
        return values
    return values[0] if values else None


def _picked(pick: PickValue | None, value: Any) -> Any:
    if pick is None or not isinstance(value, list):
        return value
    if pick is PickValue.ANY_TRUE:
        return any(one is True for one in value)
    found = [one for one in value if one is not None]
    if pick is PickValue.ALL:
        return found
    if pick is PickValue.FIRST_OR_NULL:
        return found[0] if found else None
    if not found:
        raise StepFault(f"{pick}: all of its sources are null")
    if pick is PickValue.ONLY and len(found) > 1:
        raise StepFault(f"{pick}: {len(found)} of its sources are not null")
    return found[0]


def branches(scatter: Scatter, values: dict[str, Any]) -> tuple[list[dict[str, Any]], list[int]]:
    """The inputs of each branch, and the lengths of the lists in which their outputs are put.

    Null is as good as an empty list: what would have made the list was skipped.

    Raises:
        StepFault: something is no list, or lists of a dotproduct differ in length.
    """
    lists = [_list(name, values.get(name)) for name in scatter.over]
    sizes = [len(one) for one in lists]
    if scatter.method is ScatterMethod.DOT:
        if len(set(sizes)) > 1:
            told = ", ".join(f"{n} has {s}" for n, s in zip(scatter.over, sizes, strict=True))
            raise StepFault(f"dotproduct needs lists of the same length: {told}")
        combined: Iterator[Sequence[Any]] = zip(*lists, strict=True)
        lengths = sizes[:1]
    else:
        combined = product(*lists)
        lengths = sizes if scatter.method is ScatterMethod.NESTED else [prod(sizes)]
    if prod(lengths) > MAX_BRANCHES:
        raise StepFault(f"it would have {prod(lengths)} branches; at most {MAX_BRANCHES} are taken")
    return [values | dict(zip(scatter.over, one, strict=True)) for one in combined], lengths


def nested(values: Sequence[Any], lengths: Sequence[int]) -> list[Any]:
    """A flat sequence as lists in lists of these lengths."""
    if len(lengths) == 1:
        return list(values)
    size = prod(lengths[1:])
    return [nested(values[at * size : (at + 1) * size], lengths[1:]) for at in range(lengths[0])]


def _list(name: str, value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise StepFault(f"{name} is scattered over and must be a list, not {value!r:.60}")
    return value
