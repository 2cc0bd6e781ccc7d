"""Who may say for which share of the computing power a task counts."""

from __future__ import annotations

from culm.core.errors import NotAllowed
from culm.wire.task_spec import TaskSpec
from server.identity.actor import Actor, Role
from tasks.tagging import claims_of

_FREE = frozenset({Role.PRODUCTION, Role.ADMIN})


def may_claim(actor: Actor) -> bool:
    """Whether the actor may say for whose share tasks count."""
    return bool(actor.roles & _FREE)


def check_may_claim(actor: Actor, spec: TaskSpec) -> None:
    """Nothing, if the actor may give the task these attributes: tagging rules look at them.

    Raises:
        NotAllowed: they could lead to somebody else's share, and the actor is no production user.
    """
    claimed = claims_of(spec)
    if claimed and not may_claim(actor):
        raise NotAllowed(
            f"{', '.join(claimed)}: only the production role may say whose share a task counts for",
            hint="submit it without, or ask for the production role",
        )
