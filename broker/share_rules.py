"""Tagging: an ordered table of regular expressions says which share a task belongs to.

A rule's patterns are matched against whole attributes; an empty one takes anything. The first
rule of which all patterns match wins (panda-docs 14.2).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

from broker.shares import DEFAULT
from culm.core.errors import FieldFault
from culm.core.nearest import unknown_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """What rules look at. `activity` is PanDA's prodSourceLabel."""

    vo: str = ""
    activity: str = ""
    working_group: str = ""
    processing_type: str = ""
    campaign: str = ""
    user: str = ""


NAMES = tuple(field.name for field in fields(Attributes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A row of the table: the share, and a pattern for each attribute."""

    share: str
    patterns: Attributes = Attributes()


def tag(rules: Sequence[Rule], attributes: Attributes) -> str:
    """The share of the first rule that fits, else the default one."""
    return next((rule.share for rule in rules if _fits(rule, attributes)), DEFAULT)


def _fits(rule: Rule, attributes: Attributes) -> bool:
    return all(
        _compiled(pattern).fullmatch(getattr(attributes, name)) is not None
        for name in NAMES
        if (pattern := getattr(rule.patterns, name))
    )


@lru_cache(maxsize=10_000)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def faults_of(rules: Sequence[Rule], leaves: Collection[str]) -> Iterator[FieldFault]:
    """Every bad regular expression, and every share that is no leaf of the tree."""
    for number, rule in enumerate(rules):
        if rule.share not in leaves:
            yield FieldFault(f"rules[{number}].share", rule.share, unknown_name(rule.share, leaves))
        for name in NAMES:
            pattern = getattr(rule.patterns, name)
            try:
                _compiled(pattern)
            except (re.error, RecursionError, OverflowError) as error:
                needed = f"a regular expression ({error})"
                yield FieldFault(f"rules[{number}].{name}", pattern, needed)
