"""Signed claims: checked in every part before anything in them is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from culm.core.errors import NotAuthenticated
from server.identity.actor import Actor

CLOCK_SKEW_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Verified:
    """What a token proved: its owner, and whether the key that signed it is still good."""

    actor: Actor
    key_is_good: Callable[[], bool]
    issued_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a token must be: signed by this key in one of these ways, by and for whom, complete."""

    key: Any
    algorithms: Sequence[str]
    issuer: str
    audience: str | Sequence[str]
    needed: Sequence[str]


def claims_of(token: str, expected: Expected) -> dict[str, Any]:
    """The claims of a token that is what was expected, and in its time.

    Raises:
        NotAuthenticated: in words that never hold any part of the token.
    """
    try:
        return jwt.decode(
            token,
            expected.key,
            algorithms=list(expected.algorithms),
            audience=expected.audience,
            issuer=expected.issuer,
            leeway=CLOCK_SKEW_SECONDS,
            options={"require": list(expected.needed)},
        )
    except jwt.ExpiredSignatureError as error:
        raise NotAuthenticated("the token has expired", hint="get a new token") from error
    except jwt.InvalidTokenError as error:
        raise NotAuthenticated(f"the token is not good: {_words(error)}") from error


def _words(error: jwt.InvalidTokenError) -> str:
    """The library's words for a fault, never more: some of its messages repeat parts of a token."""
    by_kind: Iterable[tuple[type[jwt.InvalidTokenError], str]] = (
        (jwt.InvalidAudienceError, "it is for another audience"),
        (jwt.InvalidIssuerError, "it is from another issuer"),
        (jwt.InvalidSignatureError, "its signature is wrong"),
        (jwt.MissingRequiredClaimError, "a claim is missing"),
        (jwt.ImmatureSignatureError, "it is not valid yet"),
        (jwt.InvalidAlgorithmError, "its key is for another algorithm"),
    )
    return next((words for kind, words in by_kind if isinstance(error, kind)), "it cannot be read")
