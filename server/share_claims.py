"""Who may say for which share of the computing power a task counts."""

from __future__ import annotations

from dataclasses import replace

from culm.core.errors import NotAllowed
from culm.wire.task_spec import TaskSpec
from server.identity.actor import Actor, Role
from tasks.tagging import claims_of


def may_claim(actor: Actor) -> bool:
    """Whether the actor may say for whose share any task counts."""
    return actor.is_admin or (Role.PRODUCTION in actor.roles and not actor.vo)


def check_may_claim(actor: Actor, spec: TaskSpec) -> None:
    """Nothing, if the actor may give the task these attributes: tagging rules look at them.

    Raises:
        NotAllowed: they could lead to somebody else's share, and the actor is no production user;
            or one of an organisation who names another, or a group that is none of theirs.
    """
    claimed = claims_of(spec)
    if not claimed or may_claim(actor):
        return
    if Role.PRODUCTION not in actor.roles:
        raise NotAllowed(
            f"{', '.join(claimed)}: only the production role may say whose share a task counts for",
            hint="submit it without, or ask for the production role",
        )
    if spec.vo not in (None, actor.vo):
        raise NotAllowed(f"vo: {spec.vo} is not {actor.vo}, for which you run production")
    if spec.working_group not in actor.working_groups:
        groups = ", ".join(sorted(actor.working_groups))
        raise NotAllowed(
            f"working_group: {spec.working_group or 'none'} is not one that you run production for",
            hint=f"say one of: {groups}",
        )


def with_organisation(actor: Actor, spec: TaskSpec) -> TaskSpec:
    """The task, for the actor's organisation if it does not say one."""
    return replace(spec, vo=actor.vo) if actor.vo and spec.vo is None else spec
