"""Signing keys: Ed25519, one file a key, several at once so that they can be changed in flight."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from culm.core.errors import Misconfigured
from culm.core.private_files import make_private_folder, write_private

log = logging.getLogger(__name__)

RELOAD_SECONDS = 20.0
"""A key that was added or taken away acts within this time (security.md 18 allows 60 s)."""
LOOK_AGAIN_SECONDS = 1.0
"""An unknown key id makes the folder be read at once, but not more often than this."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the id by which tokens name it."""

    kid: str
    private: Ed25519PrivateKey


class KeyRing:
    """The keys of one folder: the newest signs, all of them verify."""

    def __init__(self, folder: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._monotonic = monotonic
        self._keys: Mapping[str, SigningKey] = _load(folder)
        self._read_at = monotonic()

    @classmethod
    def open(cls, folder: Path) -> KeyRing:
        """The keys of this folder; the first start makes the folder and one key.

        Raises:
            Misconfigured: a key can be read by others, or is not an Ed25519 key.
        """
        make_private_folder(folder)
        if not _key_files(folder):
            make_key(folder)
        return cls(folder)

    def signing(self) -> SigningKey:
        """The key that signs new tokens: the newest."""
        self._refresh(RELOAD_SECONDS)
        if not self._keys:
            raise Misconfigured(f"no signing key in {self._folder}", hint="run: culm db init")
        return self._keys[max(self._keys)]

    def public(self, kid: str) -> Ed25519PublicKey | None:
        """The key that verifies tokens of this key id, None if there is none (any more)."""
        self._refresh(RELOAD_SECONDS if kid in self._keys else LOOK_AGAIN_SECONDS)
        key = self._keys.get(kid)
        return key.private.public_key() if key else None

    def holds(self, kid: str) -> bool:
        """Whether tokens of this key id are still good."""
        self._refresh(RELOAD_SECONDS)
        return kid in self._keys

    def _refresh(self, after_seconds: float) -> None:
        now = self._monotonic()
        if now - self._read_at < after_seconds:
            return
        self._read_at = now
        try:
            self._keys = _load(self._folder)
        except (OSError, Misconfigured) as error:
            # Going on with the keys at hand beats locking everybody out for an unreadable disk.
            log.warning("signing keys could not be read again", extra={"reason": str(error)})


def make_key(folder: Path) -> str:
    """Write a new key into the folder; its id, which sorts after those of older keys."""
    kid = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
    pem = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    write_private(folder / f"{kid}.pem", pem)
    return kid


def _key_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.pem"))


def _load(folder: Path) -> dict[str, SigningKey]:
    return {path.stem: SigningKey(path.stem, _read(path)) for path in _key_files(folder)}


def _read(path: Path) -> Ed25519PrivateKey:
    if path.stat().st_mode & 0o077:
        raise Misconfigured(f"key {path} can be read by others", hint=f"run: chmod 600 {path}")
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except ValueError as error:
        raise Misconfigured(f"key {path} is not a PEM key") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"key {path} is not an Ed25519 key")
    return key
