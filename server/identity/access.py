"""Access rules as data: each route bears one, and one dependency enforces them all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from sqlmodel import Session
from starlette.concurrency import run_in_threadpool

from culm.core.errors import FieldFault, InvalidRequest, NotAllowed, NotAuthenticated, NotFound
from server.identity.actor import PEOPLE, Actor, Role

OwnerOf = Callable[[Session, Mapping[str, Any]], str | None]
"""Who owns what a route's path names; None where there is no such thing."""
Holds = Callable[[Session, Actor, Mapping[str, Any]], bool]
"""Whether an actor has to do with what a route's path names."""


@dataclass(frozen=True, slots=True)
class Public:
    """Anyone, without a token."""

    def __str__(self) -> str:
        return "anyone, without a token"


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Whoever bears a good token."""

    def __str__(self) -> str:
        return "any good token"


@dataclass(frozen=True, slots=True)
class Roles:
    """Bearers of one of these roles; a pilot that signed on is none, it has a rule of its own."""

    allowed: frozenset[Role]

    def __str__(self) -> str:
        return "roles: " + ", ".join(sorted(self.allowed))


@dataclass(frozen=True, slots=True)
class PilotItself:
    """A pilot that signed on, for itself."""

    def __str__(self) -> str:
        return "a pilot that signed on, for itself"


@dataclass(frozen=True, slots=True)
class OwnerOr:
    """The owner of what the path names, and bearers of these roles; to others it is not there."""

    allowed: frozenset[Role]
    noun: str
    owner_of: OwnerOf

    def __str__(self) -> str:
        return f"the owner of the {self.noun}; roles: " + ", ".join(sorted(self.allowed))


@dataclass(frozen=True, slots=True)
class Holder:
    """Whoever has to do with what the path names, as `holds` finds; to others it is not there."""

    who: str
    noun: str
    holds: Holds

    def __str__(self) -> str:
        return self.who


Access = Public | Authenticated | Roles | PilotItself | OwnerOr | Holder

PUBLIC = Public()
AUTHENTICATED = Authenticated()
PERSON = Roles(PEOPLE)
ADMIN = Roles(frozenset({Role.ADMIN}))
PROVISIONER = Roles(frozenset({Role.PILOT}))
PILOT_ITSELF = PilotItself()


def owner_or_admin(noun: str, owner_of: OwnerOf) -> OwnerOr:
    """The rule of tasks, jobs and what belongs to them."""
    return OwnerOr(frozenset({Role.ADMIN}), noun, owner_of)


def id_in_path(path: Mapping[str, Any], name: str) -> int:
    """The number that a path names; 0, which nothing bears, where it is no number.

    Guards stand before the checks of parameters, so this may be anything.
    """
    text = str(path[name])
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def known_actor(request: Request) -> Actor | None:
    """Who asks, as the identification of the request found; None without a token."""
    return request.scope.get("culm.actor")


def actor_of(request: Request) -> Actor:
    """Who asks.

    Raises:
        NotAuthenticated: the request came without a token.
    """
    actor = known_actor(request)
    if actor is None:
        raise NotAuthenticated("a token is needed", hint="send Authorization: Bearer <token>")
    return actor


@dataclass(frozen=True, slots=True)
class Guard:
    """The dependency that stands before every route."""

    access: Access

    async def __call__(self, request: Request) -> None:
        """Let the request pass.

        Raises:
            NotAuthenticated: a token is needed and there is none.
            NotAllowed: the token's roles are not those of the rule.
            NotFound: what the path names is another's, or is not there.
            InvalidRequest: path or query hold a zero byte, which no database keeps.
        """
        if isinstance(self.access, Public):
            return
        _check_text(request)
        actor = actor_of(request)
        if not role_allows(self.access, actor):
            raise NotAllowed(f"this is open to: {self.access}")
        if isinstance(self.access, OwnerOr | Holder):
            await run_in_threadpool(_check_thing, self.access, actor, request)


def role_allows(access: Access, actor: Actor) -> bool:
    """Whether the actor's roles fit the rule, before anything is looked up."""
    if isinstance(access, PilotItself):
        return actor.pilot_id is not None
    if isinstance(access, Roles):
        return actor.pilot_id is None and bool(actor.roles & access.allowed)
    if isinstance(access, OwnerOr):
        return bool(actor.roles & PEOPLE)
    return True


def may_see(actor: Actor, owner: str | None) -> bool:
    """Whether a thing of this owner is this actor's to see and to act on."""
    return owner is not None and (actor.subject == owner or actor.is_admin)


def _check_text(request: Request) -> None:
    if "\x00" in request.scope["path"] or b"%00" in request.scope["query_string"]:
        fault = FieldFault("path", "%00", "text without zero bytes")
        raise InvalidRequest("the path or query holds a zero byte", faults=[fault])


def _check_thing(access: OwnerOr | Holder, actor: Actor, request: Request) -> None:
    with request.app.state.parts.books.read() as session:
        if isinstance(access, Holder):
            allowed = access.holds(session, actor, request.path_params)
        else:
            owner = access.owner_of(session, request.path_params)
            allowed = owner is not None and (
                owner == actor.subject or bool(actor.roles & access.allowed)
            )
    if not allowed:
        # The same words for what is not there and for what is another's: nothing is learnt.
        named = ", ".join(ascii(str(value))[1:-1][:200] for value in request.path_params.values())
        raise NotFound(f"no {access.noun} {named}")
