"""Tokens: each part is checked; forgeries of every known kind are refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import update

from culm.core.errors import InvalidRequest, Misconfigured, NotAuthenticated
from server.identity.actor import Role
from server.identity.keys import KeyRing, make_key
from server.identity.revocations import Revocations, revoke_all, revoke_token
from server.identity.tokens import Grant, TokenChecker, issue_token
from tasks.store import schema
from tasks.store.books import Books
from tasks.tables import RevokedToken

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)
ALICE = Grant(subject="alice", roles=frozenset({Role.USER}), lifetime=HOUR)


@pytest.fixture
def keys(tmp_path: Path) -> KeyRing:
    return KeyRing.open(tmp_path / "keys")


@pytest.fixture
def checker(keys: KeyRing) -> TokenChecker:
    return TokenChecker(keys, Revocations())


def claims(**changes: Any) -> dict[str, Any]:
    values = {"iss": "culm", "aud": "culm", "sub": "alice", "roles": ["user"], "jti": "j",
              "iat": int(NOW.timestamp()), "exp": int((NOW + HOUR).timestamp())}  # fmt: skip
    return {name: value for name, value in (values | changes).items() if value is not None}


def signed(keys: KeyRing, payload: dict[str, Any], **header: Any) -> str:
    key = keys.signing()
    return jwt.encode(payload, key.private, "EdDSA", {"kid": key.kid} | header)


def by_hand(header: dict[str, Any], payload: dict[str, Any], secret: bytes = b"") -> str:
    parts = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
                      for part in (header, payload))  # fmt: skip
    mac = hmac.new(secret, parts, hashlib.sha256).digest() if secret else b""
    return (parts + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


def test_good_token_says_who_it_is(keys: KeyRing, checker: TokenChecker) -> None:
    grant = Grant(subject="pilot:7", roles=frozenset({Role.PILOT}), lifetime=HOUR, queues=("Q",))
    actor = checker.actor(issue_token(keys, grant, NOW), NOW)
    assert (actor.subject, actor.pilot_id, actor.queues) == ("pilot:7", 7, ("Q",))
    assert actor.may_serve("Q")
    assert not actor.may_serve("R")
    person = checker.actor(issue_token(keys, ALICE, NOW), NOW)
    assert (person.subject, person.roles, person.pilot_id) == ("alice", {Role.USER}, None)


FORGERIES: dict[str, Callable[[KeyRing], str]] = {
    "alg none": lambda k: by_hand({"alg": "none", "kid": k.signing().kid}, claims()),
    "alg None": lambda k: by_hand({"alg": "None", "kid": k.signing().kid}, claims()),
    "no alg": lambda k: by_hand({"kid": k.signing().kid}, claims()),
    "HS256 with the public key": lambda k: by_hand(
        {"alg": "HS256", "kid": k.signing().kid}, claims(),
        k.signing().private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)),
    "HS256 with the raw public key": lambda k: by_hand(
        {"alg": "HS256", "kid": k.signing().kid}, claims(),
        k.signing().private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
    "HS256 named EdDSA": lambda k: by_hand(
        {"alg": "EdDSA", "kid": k.signing().kid}, claims(), b"secret"),
    "RS256": lambda k: jwt.encode(
        claims(), generate_private_key(65537, 2048), "RS256", {"kid": k.signing().kid}),
    "another's key under our kid": lambda k: jwt.encode(
        claims(), Ed25519PrivateKey.generate(), "EdDSA", {"kid": k.signing().kid}),
    "a key in the header": lambda k: jwt.encode(
        claims(), Ed25519PrivateKey.generate(), "EdDSA",
        {"kid": "x", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}}),
    "unknown kid": lambda k: signed(k, claims(), kid="other"),
    "kid as a path": lambda k: signed(k, claims(), kid="../../etc/passwd"),
    "kid is a number": lambda k: by_hand({"alg": "EdDSA", "kid": 1}, claims()),
    "no kid": lambda k: jwt.encode(claims(), k.signing().private, "EdDSA"),
    "no signature": lambda k: signed(k, claims()).rsplit(".", 1)[0] + ".",
    "two parts": lambda k: signed(k, claims()).rsplit(".", 1)[0],
    "changed payload": lambda k: _changed(signed(k, claims())),
    "another issuer": lambda k: signed(k, claims(iss="evil")),
    "another audience": lambda k: signed(k, claims(aud="other")),
    "no audience": lambda k: signed(k, claims(aud=None)),
    "no expiry": lambda k: signed(k, claims(exp=None)),
    "no subject": lambda k: signed(k, claims(sub=None)),
    "no roles": lambda k: signed(k, claims(roles=None)),
    "no token id": lambda k: signed(k, claims(jti=None)),
    "no issue time": lambda k: signed(k, claims(iat=None)),
    "expired": lambda k: signed(k, claims(exp=int(NOW.timestamp()) - 1)),
    "expires now": lambda k: signed(k, claims(exp=int(NOW.timestamp()))),
    "issued tomorrow": lambda k: signed(k, claims(iat=int((NOW + timedelta(days=1)).timestamp()))),
    "not before tomorrow": lambda k: signed(k, claims(nbf=int((NOW + HOUR).timestamp()))),
    "expiry is text": lambda k: signed(k, claims(exp="never")),
    "unknown role": lambda k: signed(k, claims(roles=["user", "root"])),
    "roles is text": lambda k: signed(k, claims(roles="admin")),
    "roles is empty": lambda k: signed(k, claims(roles=[])),
    "pilot and admin": lambda k: signed(k, claims(sub="pilot:1", roles=["pilot", "admin"])),
    "person as pilot": lambda k: signed(k, claims(sub="pilot:1", roles=["user"])),
    "subject is odd": lambda k: signed(k, claims(sub="a b\n")),
    "queues are odd": lambda k: signed(k, claims(queues=[1])),
    "empty": lambda _: "",
    "words": lambda _: "hello there",
    "dots": lambda _: "..",
    "huge": lambda k: signed(k, claims(x="y" * 20_000)),
}  # fmt: skip


def _changed(token: str) -> str:
    header, _, signature = token.split(".")
    payload = base64.urlsafe_b64encode(json.dumps(claims(roles=["admin"])).encode()).decode()
    return f"{header}.{payload.rstrip('=')}.{signature}"


@pytest.mark.parametrize("kind", FORGERIES)
def test_forged_token_is_refused(keys: KeyRing, checker: TokenChecker, kind: str) -> None:
    token = FORGERIES[kind](keys)
    with pytest.raises(NotAuthenticated) as caught:
        checker.actor(token, NOW)
    assert not token or len(token) < 3 or token not in str(caught.value)


@pytest.mark.parametrize(("subject", "roles"), [
    ("a b", {"user"}), ("pilot:1", {"user"}), ("alice", set()), ("alice", {"user", "pilot"}),
    ("pilot:0", {"pilot"}), ("", {"user"}), ("a" * 64, {"user"}),
])  # fmt: skip
def test_token_that_fits_nobody_is_not_issued(keys: KeyRing, subject: str, roles: set[str]) -> None:
    grant = Grant(subject=subject, roles=frozenset(map(Role, roles)), lifetime=HOUR)
    with pytest.raises(InvalidRequest):
        issue_token(keys, grant, NOW)


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_change_of_keys_acts_within_a_minute(tmp_path: Path) -> None:
    folder, clock = tmp_path / "keys", Clock()
    first = KeyRing.open(folder).signing().kid
    keys = KeyRing(folder, clock)
    checker = TokenChecker(keys, Revocations())
    old = issue_token(keys, ALICE, NOW)
    assert checker.actor(old, NOW).subject == "alice"
    second = make_key(folder)
    elsewhere = issue_token(KeyRing(folder), ALICE, NOW)
    clock.now += 2
    assert checker.actor(elsewhere, NOW).subject == "alice"  # an unknown key is looked for at once
    clock.now += 60
    assert keys.signing().kid == second
    assert checker.actor(old, NOW).subject == "alice"
    (folder / f"{first}.pem").unlink()
    clock.now += 60
    with pytest.raises(NotAuthenticated):
        checker.actor(old, NOW)
    assert checker.actor(issue_token(keys, ALICE, NOW), NOW).subject == "alice"


def test_guessed_key_ids_do_not_make_the_disk_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, clock = tmp_path / "keys", Clock()
    KeyRing.open(folder)
    keys, reads = KeyRing(folder, clock), []
    monkeypatch.setattr("server.identity.keys._load", lambda path: reads.append(path) or {})
    clock.now += 5
    for number in range(1000):
        keys.public(f"guess{number}")
    assert len(reads) == 1


def test_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    kid = KeyRing.open(folder).signing().kid
    (folder / f"{kid}.pem").chmod(0o644)
    with pytest.raises(Misconfigured, match="can be read by others"):
        KeyRing.open(folder)


@pytest.mark.parametrize("way", ["token", "owner"])
def test_token_that_was_taken_back_opens_nothing(tmp_path: Path, keys: KeyRing, way: str) -> None:
    revocations = Revocations()
    checker = TokenChecker(keys, revocations)
    token = issue_token(keys, ALICE, NOW)
    bob = Grant(subject="bob", roles=frozenset({Role.USER}), lifetime=HOUR)
    other = issue_token(keys, bob, NOW)
    with Books(f"sqlite:///{tmp_path}/culm.db") as books:
        schema.upgrade(books)
        actor = checker.actor(token, NOW)
        with books.write() as session:
            if way == "token":
                revoke_token(session, actor.token_id, "stolen")
            else:
                revoke_all(session, "alice", "left")
        revocations.refresh(books)
        with pytest.raises(NotAuthenticated, match="taken back"):
            checker.actor(token, NOW)
        assert checker.actor(other, NOW).subject == "bob"
        with books.write() as session:  # ten minutes later …
            session.connection().execute(update(RevokedToken).values(at=NOW - HOUR / 6))
        revocations.refresh(books)
    # … her new token is good.
    assert checker.actor(issue_token(keys, ALICE, NOW), NOW).subject == "alice"
