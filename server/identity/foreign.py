"""Tokens of identity providers: whose they are, and what an organisation's policy makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt

from culm.core import names
from culm.core.errors import NotAllowed, NotAuthenticated
from culm.core.nearest import unknown_name
from server.identity.actor import Actor, Role
from server.identity.issuers import Issuer, fetch_json
from server.identity.organisations import Organisation, PolicyRule, read_organisations
from server.identity.verifying import Expected, Verified, claims_of

WELL_KNOWN = "/.well-known/openid-configuration"
"""Where a provider describes itself, below its name (OpenID Connect Discovery 1.0, section 4)."""
_NEEDED = ("exp", "iat", "iss", "aud", "sub")

NameOf = Callable[[str, str, str], str]
"""The name here of a provider's account: its issuer, its subject, the name that it wants."""


@dataclass(slots=True)
class ForeignTokens:
    """Checks tokens of the organisations in a folder, which may change while the server runs."""

    folder: Path
    name_of: NameOf
    fetch: Callable[[str], Any] = fetch_json
    organisations: Mapping[str, Organisation] = field(default_factory=dict)
    _issuers: dict[str, Issuer] = field(default_factory=dict)
    _stamp: tuple[Any, ...] = ()

    def load(self) -> None:
        """Read the folder again if anything in it changed, and keys that are old.

        Raises:
            Misconfigured: it does not fit; what was read before stays in force.
        """
        stamp = tuple(sorted((path.name, path.stat().st_mtime_ns, path.stat().st_size)
                             for path in self.folder.glob("*.json")))  # fmt: skip
        if stamp != self._stamp:
            found = read_organisations(self.folder)
            urls = {one.oidc_config_url for one in found.values()}
            kept = {url: issuer for url, issuer in self._issuers.items() if url in urls}
            new = {url: Issuer(url, self.fetch) for url in urls if url not in kept}
            self._issuers, self.organisations, self._stamp = kept | new, found, stamp
        for issuer in self._issuers.values():
            issuer.refresh()

    def verified(self, token: str, kid: str, vo: str) -> Verified:
        """What a token proves; `vo` is the organisation that its bearer acts for, "" if unsaid.

        Raises:
            NotAuthenticated: no organisation trusts it, or it is not good.
            NotAllowed: it is good, but the policy lets its owner do nothing.
            IssuerDown: its keys cannot be fetched.
        """
        trusting = self._trusting(_issuer_of(token), vo)
        issuer = self._issuers[trusting[0].oidc_config_url]
        key = issuer.key(kid)
        if key is None:
            raise NotAuthenticated("the token is signed with a key that its issuer does not have")
        audiences = [one.audience for one in trusting]
        expected = Expected(key=key.key, algorithms=key.algorithms, issuer=issuer.name,
                            audience=audiences, needed=_NEEDED)  # fmt: skip
        claims = claims_of(token, expected)
        found = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        meant = [one for one in trusting if one.audience in found]
        organisation, rules = _membership(meant, claims)

        def key_is_good() -> bool:
            # With a changed description the token is judged anew.
            unchanged = self.organisations.get(organisation.vo) is organisation
            return unchanged and issuer.holds(kid)

        actor = self._actor(organisation, rules, claims, token)
        return Verified(actor, key_is_good, float(claims["iat"]))

    def _trusting(self, issuer: str, vo: str) -> list[Organisation]:
        """The organisations that trust an issuer, the one that was named if one was."""
        url = issuer.rstrip("/") + WELL_KNOWN
        found = [one for _, one in sorted(self.organisations.items()) if one.oidc_config_url == url]
        if not found:
            raise NotAuthenticated("the token is from an issuer that is not trusted here")
        if not vo:
            return found
        named = [one for one in found if one.vo == vo]
        if not named:
            words = unknown_name(vo, [one.vo for one in found])
            raise NotAuthenticated(f"organisation {ascii(vo)[:80]}: {words}")
        return named

    def _actor(
        self,
        organisation: Organisation,
        rules: Sequence[PolicyRule],
        claims: Mapping[str, Any],
        token: str,
    ) -> Actor:
        roles = frozenset(rule.role for rule in rules) or frozenset({Role.USER})
        if Role.PILOT in roles and len(roles) > 1:
            raise NotAllowed(f"{organisation.vo} makes this account a pilot and a person at once")
        wanted = _wanted_name(organisation, claims)
        is_pilot = Role.PILOT in roles
        return Actor(
            subject=wanted if is_pilot else self.name_of(claims["iss"], claims["sub"], wanted),
            roles=roles,
            expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            token_id=_token_id(claims, token),
            queues=tuple(dict.fromkeys(queue for rule in rules for queue in rule.queues)),
            vo=organisation.vo,
            working_groups=frozenset(rule.group for rule in rules if rule.role is Role.PRODUCTION),
        )


def _membership(
    trusting: Sequence[Organisation], claims: Mapping[str, Any]
) -> tuple[Organisation, list[PolicyRule]]:
    """The first of these organisations that lets the account in, and the rules that do."""
    for one in trusting:
        claimed = set(_texts(claims.get(one.groups_claim)))
        rules = [rule for rule in one.rules if rule.claimed in claimed]
        if rules or not one.rules:
            return one, rules
    named = ", ".join(one.vo for one in trusting)
    raise NotAllowed(
        f"the account is in none of the groups that {named} lets in",
        hint="ask who runs the organisation for membership, then log in again",
    )


def _wanted_name(organisation: Organisation, claims: Mapping[str, Any]) -> str:
    claim = organisation.user_claim
    wanted = str(claims.get(claim) or claims["sub"])
    if not names.USER.fullmatch(wanted):
        raise NotAllowed(
            f"{claim} {ascii(wanted)[:80]} cannot be a user's name: letters, digits and ._- only",
            hint=f"the operator may name another claim: user_claim of {organisation.vo}",
        )
    return wanted


def _token_id(claims: Mapping[str, Any], token: str) -> str:
    """The token's id if it has one that cannot be taken for another issuer's, else its digest."""
    named = f"{claims['iss']} {claims['jti']}" if claims.get("jti") else token
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def _issuer_of(token: str) -> str:
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise NotAuthenticated("the token is not one of ours") from error
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else ""


def _texts(value: Any) -> Iterable[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else ()
