"""Tokens taken back before their time: a small JSON file beside the keys."""

from __future__ import annotations

import fcntl
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from culm.wire.codec import decode_json, encode
from server.identity.private_files import write_private

log = logging.getLogger(__name__)

FILE_NAME = "revoked.json"
RELOAD_SECONDS = 10.0
"""How long a token that was taken back may still open doors (security.md 18 allows 60 s)."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """What was taken back: single tokens, and all tokens of a subject issued up to a time.

    `tokens` maps a token's id to its expiry, `subjects` a subject to the time (both in seconds
    since 1970).
    """

    tokens: dict[str, float] = field(default_factory=dict)
    subjects: dict[str, float] = field(default_factory=dict)


class Revocations:
    """The list as it stood some seconds ago at most."""

    def __init__(self, folder: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._path = folder / FILE_NAME
        self._monotonic = monotonic
        self._read_at = monotonic()
        self._revoked = _read(self._path)

    def covers(self, token_id: str, subject: str, issued_at: float) -> bool:
        """Whether this token was taken back."""
        self._refresh()
        if token_id in self._revoked.tokens:
            return True
        return issued_at <= self._revoked.subjects.get(subject, -1.0)

    def _refresh(self) -> None:
        now = self._monotonic()
        if now - self._read_at < RELOAD_SECONDS:
            return
        self._read_at = now
        try:
            self._revoked = _read(self._path)
        except (OSError, ValueError) as error:
            log.warning("revocations could not be read again", extra={"reason": str(error)})


def revoke_token(folder: Path, token_id: str, expires_at: datetime, now: datetime) -> None:
    """Take one token back; entries whose token has expired by itself are dropped."""
    with _changing(folder) as revoked:
        for known, expiry in list(revoked.tokens.items()):
            if expiry < now.timestamp():
                del revoked.tokens[known]
        revoked.tokens[token_id] = expires_at.timestamp()


def revoke_subject(folder: Path, subject: str, now: datetime) -> None:
    """Take back every token of a person or pilot that was issued until now."""
    with _changing(folder) as revoked:
        revoked.subjects[subject] = now.timestamp()


@contextmanager
def _changing(folder: Path) -> Iterator[Revoked]:
    # Two commands at once would else each write back what they read: one entry would be lost.
    with (folder / f".{FILE_NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        revoked = _read(folder / FILE_NAME)
        yield revoked
        write_private(folder / FILE_NAME, json.dumps(encode(revoked)).encode())


def _read(path: Path) -> Revoked:
    try:
        return decode_json(Revoked, path.read_bytes(), f"revocation list {path}")
    except FileNotFoundError:
        return Revoked()
