"""Tasks are tagged when they are made: with their share, and with the type of what they need."""

from __future__ import annotations

from dataclasses import dataclass

from sqlmodel import Session

from broker.resource_types import resource_type_of
from broker.share_rules import Attributes, tag
from culm.wire.task_spec import USER_ACTIVITY, TaskSpec
from tasks.store.locks import not_beside
from tasks.store.shares import resource_types, share_rules

SHARES_LOCK = "shares"
"""The name under which tagging and a change of the tree keep out of each other's way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tags:
    """How a task and its jobs are counted."""

    share_name: str
    resource_type: str
    activity: str
    working_group: str


def attributes_of(spec: TaskSpec, user: str) -> Attributes:
    """What the tagging rules look at."""
    return Attributes(
        vo=spec.vo or "", activity=spec.activity or USER_ACTIVITY,
        working_group=spec.working_group or "", processing_type=spec.processing_type or "",
        campaign=spec.campaign or "", user=user,
    )  # fmt: skip


_CLAIMS = ("vo", "working_group", "processing_type", "campaign")


def claims_of(spec: TaskSpec) -> list[str]:
    """The attributes of a specification that only production may give: they choose a share."""
    claimed = [name for name in _CLAIMS if getattr(spec, name) is not None]
    return claimed + ["activity"] * (spec.activity not in (None, USER_ACTIVITY))


def tags_of(session: Session, spec: TaskSpec, user: str) -> Tags:
    """The tags of a new task; no tree without its share comes before this transaction's end."""
    not_beside(session, SHARES_LOCK)
    attributes = attributes_of(spec, user)
    return Tags(
        share_name=tag(share_rules(session), attributes),
        resource_type=resource_type(session, spec.core_count, spec.memory_mb),
        activity=attributes.activity,
        working_group=attributes.working_group,
    )


def resource_type(session: Session, core_count: int, memory_mb: int) -> str:
    """The type that jobs of these needs are counted by."""
    return resource_type_of(resource_types(session), core_count, memory_mb)
