"""Tokens of identity providers: what is checked, what the policy makes of them, keys that change.

The providers are values here: a dictionary of what is at their URLs. A real one is in test_oidc.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as ec_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from culm.core.errors import CulmError, IssuerDown, NotAllowed, NotAuthenticated
from server.identity.actor import Role
from server.identity.foreign import ForeignTokens
from server.identity.issuers import GO_ON_SECONDS, LOOK_AGAIN_SECONDS, REFRESH_SECONDS, Issuer
from server.identity.keys import KeyRing
from server.identity.revocations import Revocations
from server.identity.tokens import TokenChecker
from tasks.store.accounts import bind_account, name_of_account
from tasks.store.books import Books
from tests.oidc.providers import jwk, rsa_key
from tests.security.test_organisations import GOOD, written

NOW = datetime.now(UTC)
ISSUER = "https://iam.example.org"
KEY, OTHER_KEY, EC = rsa_key(), rsa_key(), ec_key(SECP256R1())
RULES = [
    ["atlas", {"group": "atlas", "role": "user"}],
    ["atlas/production", {"group": "phys-higgs", "role": "production"}],
    ["atlas/pilots", {"group": "atlas", "role": "pilot", "queues": ["Q1", "Q2"]}],
]


def public_of(key: Any, kid: str) -> dict[str, Any]:
    return {name: jwk(key, kid)[name] for name in ("kty", "e", "n", "kid")}


class World:
    """What is at URLs; `down` makes all of it unreachable."""

    def __init__(self) -> None:
        self.at: dict[str, Any] = {
            f"{ISSUER}/.well-known/openid-configuration":
                {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"},
            f"{ISSUER}/jwks": {"keys": [public_of(KEY, "k1")]},
        }  # fmt: skip
        self.down, self.n_fetched = False, 0

    def fetch(self, url: str) -> Any:
        self.n_fetched += 1
        if self.down:
            raise httpx.ConnectError("refused")
        return self.at[url]


@pytest.fixture
def world() -> World:
    return World()


Names = Callable[[str, str, str], str]


def checker_over(
    folder: Path, world: World, rules: Any, names: Names | None = None
) -> TokenChecker:
    written(folder / "auth", GOOD, rules)
    names = names or (lambda _issuer, _subject, wanted: wanted)
    foreign = ForeignTokens(folder / "auth", names, world.fetch)
    foreign.load()
    return TokenChecker(KeyRing.open(folder / "keys"), Revocations(), foreign)


@pytest.fixture
def checker(tmp_path: Path, world: World) -> TokenChecker:
    return checker_over(tmp_path, world, {"atlas": RULES})


def a_token(key: Any = KEY, alg: str = "RS256", kid: str | None = "k1", **changes: Any) -> str:
    values = {"iss": ISSUER, "aud": "culm", "sub": "s1", "preferred_username": "alice",
              "groups": ["atlas"], "iat": int(NOW.timestamp()),
              "exp": int((NOW + timedelta(hours=1)).timestamp())} | changes  # fmt: skip
    claims = {name: value for name, value in values.items() if value is not None}
    return jwt.encode(claims, key, alg, {"kid": kid} if kid else None)


def test_member_is_a_user_of_the_organisation(checker: TokenChecker) -> None:
    actor = checker.actor(a_token(), NOW)
    assert (actor.subject, actor.roles, actor.vo) == ("alice", {Role.USER}, "atlas")


def test_groups_give_roles_and_working_groups(checker: TokenChecker) -> None:
    actor = checker.actor(a_token(groups=["atlas", "atlas/production", "x"]), NOW)
    assert (actor.roles, actor.working_groups) == ({Role.USER, Role.PRODUCTION}, {"phys-higgs"})


def test_service_is_bound_to_its_queues(checker: TokenChecker) -> None:
    actor = checker.actor(a_token(groups=["atlas/pilots"]), NOW)
    assert (actor.roles, actor.queues) == ({Role.PILOT}, ("Q1", "Q2"))
    assert actor.may_serve("Q1")
    assert not actor.may_serve("LOCAL")


def test_organisation_without_policy_lets_in_whom_its_provider_vouches_for(
    tmp_path: Path, world: World
) -> None:
    checker = checker_over(tmp_path, world, None)
    assert checker.actor(a_token(groups=None), NOW).roles == {Role.USER}


def _secret_of(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _by_shared_secret() -> str:
    # PyJWT refuses to sign so; a forger would not.
    import base64
    import hashlib
    import hmac

    def packed(value: Any) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    claims = jwt.decode(a_token(), options={"verify_signature": False})
    parts = packed({"alg": "HS256", "kid": "k1"}) + b"." + packed(claims)
    mac = hmac.new(_secret_of(KEY), parts, hashlib.sha256).digest()
    return (parts + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


BAD: dict[str, tuple[Callable[[], str], str]] = {
    "expired": (lambda: a_token(exp=int(NOW.timestamp()) - 60), "has expired"),
    "another audience": (lambda: a_token(aud="other"), "another audience"),
    "no audience": (lambda: a_token(aud=None), "another audience|a claim is missing"),
    "no subject": (lambda: a_token(sub=None), "a claim is missing"),
    "no end": (lambda: a_token(exp=None), "a claim is missing"),
    "another key of this id": (lambda: a_token(OTHER_KEY), "signature is wrong"),
    "key that is not known": (lambda: a_token(kid="k9"), "key that its issuer does not have"),
    "no key id": (lambda: a_token(kid=None), "not one of ours"),
    "issuer that is not trusted": (lambda: a_token(iss="https://evil.example.org"), "not trusted"),
    "issuer by another spelling": (lambda: a_token(iss=f"{ISSUER}//"), "another issuer"),
    "no issuer": (lambda: a_token(iss=None), "not trusted"),
    "algorithm of another kind of key": (lambda: a_token(EC, "ES256"), "another algorithm"),
    "shared secret": (_by_shared_secret, "another algorithm"),
    "none": (lambda: jwt.encode({"iss": ISSUER}, "", "none", {"kid": "k1"}), "another algorithm"),
    "too long": (lambda: a_token(x="x" * 9000), "not one of ours"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_token_is_refused_in_words(checker: TokenChecker, kind: str) -> None:
    make, words = BAD[kind]
    with pytest.raises(NotAuthenticated, match=words) as caught:
        checker.actor(make(), NOW)
    assert "alice" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"groups": ["cms"]}, "in none of the groups that atlas lets in"),
        ({"groups": "atlas"}, "in none of the groups"),
        ({"groups": None}, "in none of the groups"),
        ({"groups": ["atlas", "atlas/pilots"]}, "a pilot and a person at once"),
        ({"preferred_username": "alice smith"}, "cannot be a user's name"),
        ({"preferred_username": "pilot:7"}, "cannot be a user's name"),
    ],
)
def test_policy_refuses_in_words(
    checker: TokenChecker, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(NotAllowed, match=words):
        checker.actor(a_token(**changes), NOW)


def test_organisation_may_be_named_and_must_be_known(checker: TokenChecker) -> None:
    assert checker.actor(a_token(), NOW, "atlas").vo == "atlas"
    with pytest.raises(NotAuthenticated, match="did you mean atlas"):
        checker.actor(a_token(), NOW, "atlsa")


def test_account_of_two_organisations_acts_for_the_named_one(tmp_path: Path, world: World) -> None:
    written(tmp_path / "auth", GOOD | {"vo": "cms"}, vo="cms")
    rules = {"atlas": RULES, "cms": [["cms", {"group": "g", "role": "admin"}]]}
    checker = checker_over(tmp_path, world, rules)
    both = a_token(groups=["atlas", "cms"])
    assert [checker.actor(both, NOW, vo).vo for vo in ("", "cms", "atlas")] == [
        "atlas", "cms", "atlas"]  # fmt: skip
    assert checker.actor(a_token(groups=["cms"]), NOW).vo == "cms"
    assert checker.actor(both, NOW, "cms").is_admin
    assert not checker.actor(both, NOW, "atlas").is_admin


def test_changed_policy_acts_on_tokens_that_are_known(
    checker: TokenChecker, tmp_path: Path
) -> None:
    token = a_token()
    assert checker.actor(token, NOW).roles == {Role.USER}
    written(tmp_path / "auth", GOOD, {"atlas": [["cms", {"group": "g", "role": "user"}]]})
    assert checker.foreign is not None
    checker.foreign.load()
    with pytest.raises(NotAllowed):
        checker.actor(token, NOW)


def test_organisations_that_no_longer_fit_leave_those_before(
    checker: TokenChecker, tmp_path: Path
) -> None:
    (tmp_path / "auth" / "auth_policies.json").write_text("{")
    assert checker.foreign is not None
    with pytest.raises(CulmError):
        checker.foreign.load()
    assert checker.actor(a_token(), NOW).subject == "alice"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_keys_are_fetched_once_and_changes_are_seen(world: World) -> None:
    clock = Clock()
    issuer = Issuer(f"{ISSUER}/.well-known/openid-configuration", world.fetch, clock)
    assert issuer.key("k1")
    assert issuer.key("k1")
    assert world.n_fetched == 2
    world.at[f"{ISSUER}/jwks"] = {"keys": [public_of(OTHER_KEY, "k2")]}
    assert issuer.key("k2") is None  # just looked
    clock.now += LOOK_AGAIN_SECONDS
    assert issuer.key("k2")
    assert issuer.key("k1") is None
    assert not issuer.holds("k1")


def test_key_that_is_taken_away_is_good_no_more(world: World) -> None:
    clock = Clock()
    issuer = Issuer(f"{ISSUER}/.well-known/openid-configuration", world.fetch, clock)
    assert issuer.key("k1")
    world.at[f"{ISSUER}/jwks"] = {"keys": []}
    clock.now += REFRESH_SECONDS
    issuer.refresh()
    assert not issuer.holds("k1")


def test_known_keys_go_on_while_the_issuer_is_down_but_not_for_ever(world: World) -> None:
    clock = Clock()
    issuer = Issuer(f"{ISSUER}/.well-known/openid-configuration", world.fetch, clock)
    assert issuer.key("k1")
    world.down = True
    clock.now += GO_ON_SECONDS
    assert issuer.key("k1")
    clock.now += 1
    with pytest.raises(IssuerDown, match="does not answer: ConnectError refused"):
        issuer.key("k1")
    assert not issuer.holds("k1")


@pytest.mark.parametrize(
    "change",
    [
        {"jwks_uri": "http://iam.example.org/jwks"},
        {"jwks_uri": None},
        {"issuer": "https://other.example.org"},
    ],
)
def test_issuer_that_describes_itself_badly_is_not_believed(
    checker: TokenChecker, world: World, change: dict[str, Any]
) -> None:
    world.at[f"{ISSUER}/.well-known/openid-configuration"] |= change
    with pytest.raises((IssuerDown, NotAuthenticated)):
        checker.actor(a_token(), NOW)


def test_keys_for_encryption_and_of_odd_kinds_verify_nothing(world: World) -> None:
    good = public_of(KEY, "enc") | {"use": "enc"}
    odd = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"},
        {"kty": "RSA", "kid": "torn"},
        good,
        jwk(KEY, "private"),
    ]
    world.at[f"{ISSUER}/jwks"] = {"keys": odd}
    issuer = Issuer(f"{ISSUER}/.well-known/openid-configuration", world.fetch, Clock())
    assert [issuer.key(kid) for kid in ("enc", "oct", "torn", "private")] == [None] * 4


def test_name_belongs_to_the_account_that_had_it_first(books: Books) -> None:
    assert name_of_account(books, ISSUER, "s1", "alice") == "alice"
    assert name_of_account(books, ISSUER, "s1", "alicia") == "alice"
    with pytest.raises(NotAllowed, match="belongs to another account") as caught:
        name_of_account(books, "https://other.example.org", "s1", "alice")
    assert "culm token bind alice" in caught.value.hint
    with books.write() as session:
        bind_account(session, "alice", "https://other.example.org", "s1")
    assert name_of_account(books, "https://other.example.org", "s1", "alice") == "alice"
    with pytest.raises(NotAllowed):
        name_of_account(books, ISSUER, "s1", "alice")


def test_account_that_is_refused_a_name_gets_no_token(
    tmp_path: Path, world: World, books: Books
) -> None:
    def names(issuer: str, subject: str, wanted: str) -> str:
        return name_of_account(books, issuer, subject, wanted)

    checker = checker_over(tmp_path, world, {"atlas": RULES}, names)
    assert checker.actor(a_token(), NOW).subject == "alice"
    with pytest.raises(NotAllowed, match="belongs to another account"):
        checker.actor(a_token(sub="s2"), NOW)
