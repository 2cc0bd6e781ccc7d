"""Who asks: the owner of a good token."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from culm.core import names

_PILOT = re.compile(r"pilot:([1-9][0-9]{0,18})")


class Role(StrEnum):
    """What a token may be used for."""

    USER = "user"
    PRODUCTION = "production"
    ADMIN = "admin"
    PILOT = "pilot"


PEOPLE = frozenset({Role.USER, Role.PRODUCTION, Role.ADMIN})
"""Roles of persons: a pilot's token opens none of their routes, and theirs none of a pilot's."""

ANY_QUEUE = "*"


@dataclass(frozen=True, slots=True)
class Actor:
    """The owner of a token: a person by name, or one pilot as `pilot:<id>`.

    `queues` are those that a pilot may serve; `*` stands for all. `vo` is the organisation whose
    provider vouched for a person, "" for tokens of our own; `working_groups` are those that the
    person may run production for there.
    """

    subject: str
    roles: frozenset[Role]
    expires_at: datetime
    token_id: str
    queues: tuple[str, ...] = ()
    vo: str = ""
    working_groups: frozenset[str] = frozenset()

    @property
    def pilot_id(self) -> int | None:
        """The number of the pilot that this is, if it is one that signed on."""
        return pilot_number(self.subject)

    @property
    def is_admin(self) -> bool:
        """Whether everything is open to this actor."""
        return Role.ADMIN in self.roles

    def may_serve(self, queue: str) -> bool:
        """Whether a pilot of this provisioner may take work for a queue."""
        return ANY_QUEUE in self.queues or queue in self.queues


def pilot_subject(pilot_id: int) -> str:
    """The subject of the token of one pilot. No person's name holds a colon."""
    return f"pilot:{pilot_id}"


def pilot_number(subject: str) -> int | None:
    """The pilot's number in a subject; None for a person."""
    match = _PILOT.fullmatch(subject)
    return int(match[1]) if match else None


def is_subject(subject: str) -> bool:
    """Whether this can be the subject of a token: a person's name or `pilot:<id>`."""
    return bool(names.USER.fullmatch(subject) or _PILOT.fullmatch(subject))
