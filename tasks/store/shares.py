"""Shares, their rules and resource types as the broker's values; what each share has now."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import func, select
from sqlmodel import Session

from broker.resource_types import ResourceType
from broker.share_rules import NAMES, Attributes, Rule
from broker.shares import Share, ShareTree
from tasks.store.tables import GLOBAL_SHARE, RESOURCE_TYPE, SHARE_RULE, SHARE_STATISTICS

_SHARES = select(GLOBAL_SHARE.c.name, GLOBAL_SHARE.c.weight, GLOBAL_SHARE.c.parent).order_by(
    GLOBAL_SHARE.c.weight.desc(), GLOBAL_SHARE.c.name
)
_RULES = select(
    SHARE_RULE.c.share_name, *(SHARE_RULE.c[{"user": "user_name"}.get(n, n)] for n in NAMES)
).order_by(SHARE_RULE.c.id)
_TYPES = select(RESOURCE_TYPE)


def shares(session: Session) -> list[Share]:
    """The nodes of the tree, the greatest weights first."""
    rows = session.connection().execute(_SHARES)
    return [Share(name=name, weight=weight, parent=parent) for name, weight, parent in rows]


def share_tree(session: Session) -> ShareTree:
    """The tree of shares."""
    return ShareTree(shares(session))


def share_rules(session: Session) -> list[Rule]:
    """The tagging rules in their order."""
    rows = session.connection().execute(_RULES)
    return [
        Rule(share=share, patterns=Attributes(**dict(zip(NAMES, patterns, strict=True))))
        for share, *patterns in rows
    ]


def resource_types(session: Session) -> list[ResourceType]:
    """The kinds of need that jobs are counted by."""
    rows = session.connection().execute(_TYPES).mappings()
    return [ResourceType(**row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareUse:
    """What the shares have, by name of the leaf, as it was last counted."""

    used_hs06: dict[str, float] = field(default_factory=dict)
    queued_hs06: dict[str, float] = field(default_factory=dict)
    n_running: dict[str, float] = field(default_factory=dict)
    n_queued: dict[str, float] = field(default_factory=dict)
    counted_at: datetime | None = None


_c = SHARE_STATISTICS.c
_USE = select(
    _c.share_name, func.sum(_c.used_hs06), func.sum(_c.queued_hs06), func.sum(_c.n_running),
    func.sum(_c.n_queued), func.max(_c.at, type_=_c.at.type),
).group_by(_c.share_name)  # fmt: skip


def share_use(session: Session) -> ShareUse:
    """What each share has, in one query over a small table."""
    rows = list(session.connection().execute(_USE))
    return ShareUse(
        used_hs06={row[0]: float(row[1]) for row in rows},
        queued_hs06={row[0]: float(row[2]) for row in rows},
        n_running={row[0]: float(row[3]) for row in rows},
        n_queued={row[0]: float(row[4]) for row in rows},
        counted_at=max((row[5] for row in rows), default=None),
    )
