"""Who may write a dataset: whose name it bears, and who made it."""

from __future__ import annotations

from culm.core.errors import NotAllowed
from server.identity.actor import Actor, Role

_FREE = frozenset({Role.PRODUCTION, Role.ADMIN})


def check_may_write(actor: Actor, name: str, owner: str | None) -> None:
    """Nothing, if the actor may make or write this dataset; `owner` is None for a new one.

    Raises:
        NotAllowed: it is another's, or a new name is not the actor's to take.
    """
    if owner is not None:
        if owner != actor.subject and not actor.is_admin:
            raise NotAllowed(f"dataset {name} belongs to somebody else")
        return
    prefix = f"user.{actor.subject}."
    if not name.startswith(prefix) and not actor.roles & _FREE:
        raise NotAllowed(
            f"dataset {name} is not yours to make", hint=f"begin its name with {prefix}"
        )
