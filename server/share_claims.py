"""Who may say for which share of the computing power a task counts."""

from __future__ import annotations

from culm.core.errors import NotAllowed
from culm.wire.task_spec import USER_ACTIVITY, TaskSpec
from server.identity.actor import Actor, Role

_FREE = frozenset({Role.PRODUCTION, Role.ADMIN})
_CLAIMS = ("vo", "working_group", "processing_type", "campaign")


def check_may_claim(actor: Actor, spec: TaskSpec) -> None:
    """Nothing, if the actor may give the task these attributes: tagging rules look at them.

    Raises:
        NotAllowed: they could lead to somebody else's share, and the actor is no production user.
    """
    claimed = [name for name in _CLAIMS if getattr(spec, name) is not None]
    if spec.activity not in (None, USER_ACTIVITY):
        claimed.append("activity")
    if claimed and not actor.roles & _FREE:
        raise NotAllowed(
            f"{', '.join(claimed)}: only the production role may say whose share a task counts for",
            hint="submit it without, or ask for the production role",
        )
