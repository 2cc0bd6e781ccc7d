"""First start: keys and tokens of one machine. Everything that is there and good is kept."""

from __future__ import annotations

import getpass
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from culm.core import names
from culm.core.clock import utc_now
from culm.core.errors import CulmError
from culm.core.private_files import make_private_folder, write_private
from culm.core.settings import Settings
from server.identity.actor import ANY_QUEUE, Role
from server.identity.keys import KeyRing
from server.identity.revocations import Revocations
from server.identity.tokens import Grant, TokenChecker, issue_token

LIFETIME = timedelta(days=90)
RENEW_BEFORE = timedelta(days=30)
PROVISIONER = "provisioner"


def prepare_identity(settings: Settings, now: datetime | None = None) -> Mapping[str, Path]:
    """Make the signing key and the tokens `user`, `admin` and `pilot` of this machine.

    A token that is good for another month stays; one that is old, or of keys that are gone, is
    made anew. Gives the files by name.

    Raises:
        Misconfigured: a key is damaged or can be read by others.
    """
    keys = KeyRing.open(settings.keys_dir)
    folder = settings.data_dir / "tokens"
    make_private_folder(folder)
    checker = TokenChecker(keys, Revocations())
    now = now or utc_now()
    files = {}
    for name, grant in _grants(login_name()).items():
        files[name] = folder / f"{name}.token"
        if not _is_good(files[name], checker, now):
            write_private(files[name], issue_token(keys, grant, now).encode())
    return files


def login_name() -> str:
    """The name of whoever starts this, as a user's name may look like."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = ""
    name = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:63]
    return name if names.USER.fullmatch(name) else "user"


def _grants(person: str) -> dict[str, Grant]:
    everything = frozenset({Role.USER, Role.PRODUCTION, Role.ADMIN})
    return {
        "user": Grant(subject=person, roles=frozenset({Role.USER}), lifetime=LIFETIME),
        "admin": Grant(subject=person, roles=everything, lifetime=LIFETIME),
        "pilot": Grant(
            subject=PROVISIONER,
            roles=frozenset({Role.PILOT}),
            lifetime=LIFETIME,
            queues=(ANY_QUEUE,),
        ),
    }


def _is_good(path: Path, checker: TokenChecker, now: datetime) -> bool:
    try:
        actor = checker.actor(path.read_text().strip(), now)
    except (OSError, UnicodeDecodeError, CulmError):
        return False
    return actor.expires_at - now > RENEW_BEFORE and not path.stat().st_mode & 0o077
