"""Global shares as operators see and change them."""

from __future__ import annotations

from dataclasses import dataclass, field

from culm.core import names

_NAME = {"pattern": names.USER, "rule": "a share's name: letters, digits and ._-", "longest": 63}
_WEIGHT = {"minimum": 0, "maximum": 100}
_PATTERN = {"longest": 255}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareNode:
    """A node of the tree; siblings' weights add up to 100 (per cent) or to 1."""

    name: str = field(metadata=_NAME)
    weight: float = field(metadata=_WEIGHT)
    parent: str | None = field(default=None, metadata=_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRule:
    """Which tasks a share gets: regular expressions for whole attributes; an empty one takes
    anything. The first rule that fits wins.
    """

    share: str = field(metadata=_NAME)
    vo: str = field(default="", metadata=_PATTERN)
    activity: str = field(default="", metadata=_PATTERN)
    working_group: str = field(default="", metadata=_PATTERN)
    processing_type: str = field(default="", metadata=_PATTERN)
    campaign: str = field(default="", metadata=_PATTERN)
    user: str = field(default="", metadata=_PATTERN)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareRules:
    """The tagging rules, in their order."""

    rules: tuple[ShareRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareDocument:
    """A whole tree of shares; with `rules`, the tagging rules are written in the same stroke."""

    shares: tuple[ShareNode, ...]
    rules: tuple[ShareRule, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightChange:
    """The weight that a share is to have among its siblings, which keep their proportions."""

    weight: float = field(metadata=_WEIGHT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareView:
    """How a share stands. `target` is its part of the whole by the tree, `due` that part after
    unused ones were handed on, `used` what it has of all that is used now.
    """

    name: str
    depth: int
    weight: float
    target: float
    due: float
    used: float
    used_hs06: float
    queued_hs06: float
    n_running: int
    n_queued: int
    parent: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareList:
    """All shares in the order of the tree; `counted_at` is when their jobs were last counted."""

    shares: tuple[ShareView, ...]
    counted_at: str | None = None
