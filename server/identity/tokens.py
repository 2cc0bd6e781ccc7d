"""Tokens: signed by our keys, and checked in every part before anything in them is believed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from culm.core.errors import FieldFault, InvalidRequest, NotAuthenticated
from server.identity.actor import PEOPLE, Actor, Role, is_subject, pilot_number
from server.identity.foreign import ForeignTokens
from server.identity.keys import KeyRing
from server.identity.revocations import Revocations
from server.identity.verifying import Expected, Verified, claims_of

ALGORITHM = "EdDSA"
ISSUER = AUDIENCE = "culm"
LONGEST_TOKEN = 8192
MOST_REMEMBERED = 20_000
_NEEDED = ["exp", "iat", "iss", "aud", "sub", "jti", "roles"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a new token says: whose it is, its roles, for how long, for which queues."""

    subject: str
    roles: frozenset[Role]
    lifetime: timedelta
    queues: tuple[str, ...] = ()


def issue_token(keys: KeyRing, grant: Grant, now: datetime) -> str:
    """A token signed with the newest key.

    Raises:
        InvalidRequest: the subject is no name, or a pilot's roles are mixed with a person's.
    """
    _check(grant)
    key = keys.signing()
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": grant.subject,
        "roles": sorted(grant.roles),
        "iat": int(now.timestamp()),
        "exp": int((now + grant.lifetime).timestamp()),
        "jti": secrets.token_hex(16),
    }
    if grant.queues:
        claims["queues"] = list(grant.queues)
    if grant.roles <= PEOPLE:
        # PanDA's client reads who its user is in the token itself.
        claims |= {"name": grant.subject, "preferred_username": grant.subject,
                   "groups": [f"{ISSUER}/{role}" for role in sorted(grant.roles)]}  # fmt: skip
    return jwt.encode(claims, key.private, algorithm=ALGORITHM, headers={"kid": key.kid})


def _check(grant: Grant) -> None:
    faults = []
    if not is_subject(grant.subject):
        faults.append(FieldFault("user", ascii(grant.subject), "letters, digits and ._- only"))
    if not grant.roles or not roles_fit(grant.subject, grant.roles):
        found = ", ".join(sorted(grant.roles)) or "none"
        faults.append(FieldFault("roles", found, "user, production, admin; or pilot alone"))
    if faults:
        raise InvalidRequest("no token can be issued", faults=faults)


def roles_fit(subject: str, roles: frozenset[Role]) -> bool:
    """Whether a subject may bear these roles: pilots and persons never share a token."""
    if pilot_number(subject) is not None or Role.PILOT in roles:
        return roles == {Role.PILOT}
    return roles <= PEOPLE


@dataclass(slots=True)
class TokenChecker:
    """Turns tokens into actors; a signature is checked once, the rest at every use.

    Tokens that our keys did not sign are given to `foreign`, if there is one.
    """

    keys: KeyRing
    revocations: Revocations
    foreign: ForeignTokens | None = None
    _known: dict[tuple[str, str], Verified] = field(default_factory=dict)

    def is_quick(self, token: str, vo: str = "") -> bool:
        """Whether `actor` answers without network and database."""
        if self.foreign is None or not self.foreign.organisations:
            return True
        known = self._known.get((token, vo))
        return known is not None and known.key_is_good()

    def actor(self, token: str, now: datetime, vo: str = "") -> Actor:
        """The owner of this token, acting for the organisation `vo` if that is said.

        Raises:
            NotAuthenticated: the token is forged, expired, taken back, or not for Culm. The
                message never holds the token.
            NotAllowed: it is good, but its organisation lets its owner do nothing.
            IssuerDown: the keys of its issuer cannot be fetched.
        """
        known = self._known.get((token, vo))
        if known is None or not known.key_is_good():
            known = self._verified(token, vo)
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[token, vo] = known
        actor = known.actor
        if actor.expires_at <= now:
            self._known.pop((token, vo), None)
            raise NotAuthenticated("the token has expired", hint="get a new token")
        if self.revocations.covers(actor.token_id, actor.subject, known.issued_at):
            raise NotAuthenticated("the token was taken back", hint="get a new token")
        return actor

    def _verified(self, token: str, vo: str) -> Verified:
        if len(token) > LONGEST_TOKEN:
            raise NotAuthenticated("the token is not one of ours")
        kid, algorithm = _header(token)
        key = self.keys.public(kid) if algorithm == ALGORITHM else None
        if key is None and self.foreign is not None and self.foreign.organisations:
            return self.foreign.verified(token, kid, vo)
        if algorithm != ALGORITHM:
            raise NotAuthenticated("the token is not one of ours")
        if key is None:
            raise NotAuthenticated("the token is signed with a key that is not known")
        expected = Expected(key=key, algorithms=[ALGORITHM], issuer=ISSUER, audience=AUDIENCE,
                            needed=_NEEDED)  # fmt: skip
        claims = claims_of(token, expected)
        return Verified(_actor(claims), lambda: self.keys.holds(kid), float(claims["iat"]))


def _header(token: str) -> tuple[str, str]:
    """Key id and algorithm that a token names, unverified."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise NotAuthenticated("the token is not one of ours") from error
    kid, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(kid, str) or not isinstance(algorithm, str):
        raise NotAuthenticated("the token is not one of ours")
    return kid, algorithm


def _actor(claims: dict[str, Any]) -> Actor:
    subject, roles, queues = claims["sub"], claims["roles"], claims.get("queues", [])
    if not _texts(roles) or not _texts(queues) or not set(roles) <= set(Role):
        raise NotAuthenticated("the token is not good: its roles or queues cannot be read")
    granted = frozenset(Role(role) for role in roles)
    if not is_subject(subject) or not granted or not roles_fit(subject, granted):
        raise NotAuthenticated("the token is not good: its roles do not fit its owner")
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    return Actor(subject, granted, expires_at, claims["jti"], tuple(queues))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
