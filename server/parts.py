"""What the routes work with, made once for each app."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request

from culm.core.settings import Settings
from server.checkpoints import CheckpointStore
from server.group_commit import GroupWriter
from server.identity.foreign import ForeignTokens
from server.identity.keys import KeyRing
from server.identity.revocations import Revocations
from server.identity.tokens import TokenChecker
from server.metrics import Metrics
from server.sandboxes import SandboxStore
from server.waiting import Waiters
from tasks.sealing import SealingKeys
from tasks.store.books import Books


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The parts of the server."""

    settings: Settings
    books: Books
    keys: KeyRing
    revocations: Revocations
    tokens: TokenChecker
    foreign: ForeignTokens
    writer: GroupWriter
    waiters: Waiters
    sandboxes: SandboxStore
    checkpoints: CheckpointStore
    sealing: SealingKeys
    metrics: Metrics
    now: Callable[[], datetime]


def parts_of(request: Request) -> Parts:
    """The parts of the app that this request came to."""
    parts: Parts = request.app.state.parts
    return parts
