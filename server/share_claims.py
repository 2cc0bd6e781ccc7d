"""What the owner of a token may say of whose share a task counts for."""

from __future__ import annotations

from culm.wire.task_spec import TaskSpec
from server.identity.actor import Actor, Role
from tasks.share_rights import ShareRights


def rights_of(actor: Actor) -> ShareRights:
    """What the actor may say; an administrator and a production user of our own, anything."""
    unbound = Role.PRODUCTION in actor.roles and not actor.vo
    return ShareRights(
        may_claim=actor.is_admin or unbound, vo=actor.vo, groups=tuple(sorted(actor.working_groups))
    )


def may_claim(actor: Actor) -> bool:
    """Whether the actor may say for whose share any task counts."""
    return rights_of(actor).may_claim


def check_may_claim(actor: Actor, spec: TaskSpec) -> None:
    """Nothing, if the actor may give the task these attributes.

    Raises:
        NotAllowed: as `ShareRights.check` says.
    """
    rights_of(actor).check(spec)


def with_organisation(actor: Actor, spec: TaskSpec) -> TaskSpec:
    """The task, for the actor's organisation if it does not say one."""
    return rights_of(actor).with_organisation(spec)
