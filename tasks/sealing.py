"""Sealing: secrets made unreadable for whoever has the database alone.

AES-256 in GCM; the keys are files of one folder outside the database, several at once so that
they can be changed in flight. The owner and the name are sealed with the value: a ciphertext that
was moved to another row does not open.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from culm.core.errors import Misconfigured
from culm.core.private_files import make_private_folder, write_private

log = logging.getLogger(__name__)

SEALING = "secrets"
"""The folder of these keys, inside that of all keys."""
RELOAD_SECONDS = 20.0
"""A new key seals within this time in every process."""
_NONCE_BYTES, _KEY_BYTES = 12, 32


@dataclass(frozen=True, slots=True)
class Sealed:
    """A value that was sealed, and the key that opens it."""

    key_id: str
    sealed: bytes


class SealingKeys:
    """The keys of one folder: the newest seals, all of them open."""

    def __init__(self, folder: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._monotonic = folder, monotonic
        self._keys: Mapping[str, AESGCM] = _load(folder)
        self._read_at = monotonic()

    @classmethod
    def open(cls, folder: Path) -> SealingKeys:
        """The keys of this folder; the first start makes the folder and one key.

        Raises:
            Misconfigured: a key can be read by others, or is none.
        """
        make_private_folder(folder)
        if not any(folder.glob("*.key")):
            make_sealing_key(folder)
        return cls(folder)

    def seal(self, owner: str, name: str, value: bytes) -> Sealed:
        """A value made unreadable."""
        if self._monotonic() - self._read_at >= RELOAD_SECONDS:
            self._reload()
        if not self._keys:
            raise Misconfigured(f"no key for secrets in {self._folder}")
        key_id = max(self._keys)
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._keys[key_id].encrypt(nonce, value, _place(owner, name))
        return Sealed(key_id, nonce + sealed)

    def unseal(self, owner: str, name: str, sealed: Sealed) -> bytes:
        """What was sealed under this owner and name.

        Raises:
            Misconfigured: its key is not here, or these are not the bytes that were sealed so.
        """
        if sealed.key_id not in self._keys:
            self._reload()
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise Misconfigured(
                f"secret {name} of {owner} is sealed with key {sealed.key_id}, which is not here",
                hint=f"put {sealed.key_id}.key back into {self._folder}, or have it set anew",
            )
        nonce, content = sealed.sealed[:_NONCE_BYTES], sealed.sealed[_NONCE_BYTES:]
        try:
            return key.decrypt(nonce, content, _place(owner, name))
        except (InvalidTag, ValueError) as error:
            raise Misconfigured(
                f"secret {name} of {owner} is damaged", hint="have its owner set it anew"
            ) from error

    def _reload(self) -> None:
        self._read_at = self._monotonic()
        try:
            self._keys = _load(self._folder)
        except (OSError, Misconfigured) as error:
            # The keys at hand are better than none, for a disk that cannot be read.
            log.warning("keys of secrets could not be read again", extra={"reason": str(error)})


def make_sealing_key(folder: Path) -> str:
    """Write a new key into the folder; its id, which sorts after those of older keys."""
    key_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{secrets.token_hex(4)}"
    write_private(folder / f"{key_id}.key", AESGCM.generate_key(8 * _KEY_BYTES).hex().encode())
    return key_id


def _place(owner: str, name: str) -> bytes:
    # No name holds a slash, so no two places are the same bytes.
    return f"{owner}/{name}".encode()


def _load(folder: Path) -> dict[str, AESGCM]:
    return {path.stem: _read(path) for path in sorted(folder.glob("*.key"))}


def _read(path: Path) -> AESGCM:
    if path.stat().st_mode & 0o077:
        raise Misconfigured(f"key {path} can be read by others", hint=f"run: chmod 600 {path}")
    try:
        content = bytes.fromhex(path.read_text("ascii"))
    except ValueError as error:
        raise Misconfigured(f"key {path} is no key for secrets") from error
    if len(content) != _KEY_BYTES:
        raise Misconfigured(f"key {path} is no key for secrets")
    return AESGCM(content)
