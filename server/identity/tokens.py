"""Tokens: signed by our keys, and checked in every part before anything in them is believed."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt

from culm.core.errors import FieldFault, InvalidRequest, NotAuthenticated
from server.identity.actor import PEOPLE, Actor, Role, is_subject, pilot_number
from server.identity.keys import KeyRing
from server.identity.revocations import Revocations

ALGORITHM = "EdDSA"
ISSUER = AUDIENCE = "culm"
LONGEST_TOKEN = 8192
CLOCK_SKEW_SECONDS = 5
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


@dataclass(frozen=True, slots=True)
class _Known:
    actor: Actor
    kid: str
    issued_at: float
    expires_at: float


@dataclass(slots=True)
class TokenChecker:
    """Turns tokens into actors; a signature is checked once, the rest at every use."""

    keys: KeyRing
    revocations: Revocations
    _known: dict[str, _Known] = field(default_factory=dict)

    def actor(self, token: str, now: datetime) -> Actor:
        """The owner of this token.

        Raises:
            NotAuthenticated: the token is forged, expired, taken back, or not for Culm. The
                message never holds the token.
        """
        known = self._known.get(token)
        if known is None:
            known = self._verified(token)
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[token] = known
        if known.expires_at <= now.timestamp() or not self.keys.holds(known.kid):
            del self._known[token]
            raise NotAuthenticated("the token has expired", hint="get a new token")
        actor = known.actor
        if self.revocations.covers(actor.token_id, actor.subject, known.issued_at):
            raise NotAuthenticated("the token was taken back", hint="get a new token")
        return actor

    def _verified(self, token: str) -> _Known:
        if len(token) > LONGEST_TOKEN:
            raise NotAuthenticated("the token is not one of ours")
        kid = _key_id(token)
        key = self.keys.public(kid)
        if key is None:
            raise NotAuthenticated("the token is signed with a key that is not known")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": _NEEDED},
            )
        except jwt.ExpiredSignatureError as error:
            raise NotAuthenticated("the token has expired", hint="get a new token") from error
        except jwt.InvalidTokenError as error:
            raise NotAuthenticated(f"the token is not good: {_words(error)}") from error
        return _Known(_actor(claims), kid, float(claims["iat"]), float(claims["exp"]))


def _key_id(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise NotAuthenticated("the token is not one of ours") from error
    kid = header.get("kid")
    # Named before the key is looked at: `none` and HS256 with a public key end here.
    if header.get("alg") != ALGORITHM or not isinstance(kid, str):
        raise NotAuthenticated("the token is not one of ours")
    return kid


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


def _words(error: jwt.InvalidTokenError) -> str:
    """The library's words for a fault, never more: some of its messages repeat parts of a token."""
    by_kind: Iterable[tuple[type[jwt.InvalidTokenError], str]] = (
        (jwt.InvalidAudienceError, "it is for another audience"),
        (jwt.InvalidIssuerError, "it is from another issuer"),
        (jwt.InvalidSignatureError, "its signature is wrong"),
        (jwt.MissingRequiredClaimError, "a claim is missing"),
        (jwt.ImmatureSignatureError, "it is not valid yet"),
    )
    return next((words for kind, words in by_kind if isinstance(error, kind)), "it cannot be read")
