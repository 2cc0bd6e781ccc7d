"""The checks of `culm doctor`: each looks at one thing and says how to mend it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

from culm.client import Client
from culm.core.clock import utc_now
from culm.core.errors import CulmError, NotAllowed
from culm.core.house import PACKAGES, shadow_of
from culm.core.settings import Settings, load_settings, without_password
from culm.core.units import format_duration, format_size

OLDEST_PYTHON = (3, 11)
LOW_DISK_BYTES = 2 * 10**9
SKEW_SECONDS = 30.0
SOON_SECONDS = 86_400.0
SILENT_PILOT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: ok, warning or wrong, and what to do about it."""

    name: str
    state: Literal["ok", "warning", "wrong"]
    message: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at; no settings if they do not load."""

    settings: Settings | None
    settings_error: str = ""

    @classmethod
    def of(cls, flags: Mapping[str, Any]) -> Patient:
        """The installation that these flags and the settings files describe."""
        try:
            return cls(load_settings(flags))
        except CulmError as error:
            return cls(None, str(error))


Check = Callable[[Settings], Finding]


def run_checks(checks: Sequence[Check], patient: Patient) -> list[Finding]:
    """The finding of each check; those that need settings are left out if there are none."""
    found = list(_without_settings(patient))
    if patient.settings is None:
        return found
    silent = False
    for check in checks:
        # One silent server is one thing to mend, not five.
        if not (silent and check in OF_SERVER):
            found.append(_guarded(check, patient.settings))
            silent = silent or (check is check_server and found[-1].state == "wrong")
    return found


def _without_settings(patient: Patient) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] >= OLDEST_PYTHON:
        yield Finding("python", "ok", version)
    else:
        yield Finding("python", "wrong", version, "install Python 3.11 or later")
    strangers = [str(path) for name in PACKAGES if (path := shadow_of(name))]
    if strangers:
        yield Finding("packages", "wrong", f"shadowed by {', '.join(strangers)}", "rename them")
    else:
        yield Finding("packages", "ok", "our own")
    if patient.settings is None:
        yield Finding("settings", "wrong", patient.settings_error, "culm config show --origin")
    else:
        yield Finding("settings", "ok", f"data in {patient.settings.data_dir}")


def _guarded(check: Check, settings: Settings) -> Finding:
    name = check.__name__.removeprefix("check_").replace("_", " ")
    try:
        return check(settings)
    except CulmError as error:
        return Finding(name, "wrong", error.message, error.hint or "culm up")
    except subprocess.TimeoutExpired:
        return Finding(name, "wrong", "no answer in 30 s", "look at that service")
    except OSError as error:
        return Finding(name, "wrong", str(error), "look at the rights of that path")


def check_data_directory(settings: Settings) -> Finding:
    """The data directory is there and can be written."""
    name, path = "data directory", settings.data_dir
    if not path.exists():
        return Finding(name, "warning", f"{path} is not there yet", "culm db init, or culm up")
    if not os.access(path, os.W_OK | os.X_OK):
        return Finding(name, "wrong", f"{path} cannot be written", f"chown or chmod {path}")
    return Finding(name, "ok", str(path))


def check_private_files(settings: Settings) -> Finding:
    """Keys and tokens are for their owner only."""
    folders = (settings.keys_dir, settings.token_file.parent)
    loose = [
        str(path)
        for folder in folders
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix != ".pub" and path.stat().st_mode & 0o077
    ]
    if loose:
        return Finding(
            "private files",
            "wrong",
            f"others may read {', '.join(loose)}",
            f"chmod 600 {' '.join(loose)}",
        )
    return Finding("private files", "ok", "readable by their owner only")


def check_disk_space(settings: Settings) -> Finding:
    """There is room where data are kept."""
    place = _existing(settings.storage_dir)
    free = shutil.disk_usage(place).free
    if free < LOW_DISK_BYTES:
        return Finding(
            "disk space",
            "wrong",
            f"{format_size(free)} free at {place}",
            "make room, or set storage_dir and data_dir to a larger disk",
        )
    return Finding("disk space", "ok", f"{format_size(free)} free")


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path


def check_database(settings: Settings) -> Finding:
    """The books can be reached and have the schema that this program needs.

    The floor above knows how; it is asked as a command, for nothing here imports it.
    """
    shown = without_password(settings.database_url)
    path = Path(settings.database_url.removeprefix("sqlite:///"))
    if settings.database_url.startswith("sqlite:///") and not path.exists():
        return Finding(
            "database", "warning", f"{path} is not there yet", "culm db init, or culm up"
        )
    done = subprocess.run(
        [sys.executable, "-P", "-m", "culm", "db", "status"],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "CULM_DATABASE_URL": settings.database_url},
        check=False,
    )
    said = (done.stdout.strip() or done.stderr.strip() or "no answer").splitlines()[0]
    if done.returncode:
        return Finding("database", "wrong", f"{shown}: {said}", "culm db init")
    return Finding("database", "ok", f"{shown}, {said}")


def check_server(settings: Settings) -> Finding:
    """The server answers."""
    with _client(settings) as client:
        client.health()
    return Finding("server", "ok", settings.server_url)


def check_server_ready(settings: Settings) -> Finding:
    """The server's own checks are well."""
    with _client(settings) as client:
        answer = client.ready()
    return Finding("server ready", "ok", str(answer.get("status", "")))


def check_token(settings: Settings) -> Finding:
    """The token is taken, and for some time still."""
    with _client(settings) as client:
        who = client.whoami()
    left = (_moment(who.expires_at) - utc_now()).total_seconds()
    words = f"{who.user} ({', '.join(who.roles)}), {format_duration(max(left, 0))} left"
    if left < SOON_SECONDS:
        return Finding("token", "warning", words, "ask for a new token soon")
    return Finding("token", "ok", words)


def check_clock(settings: Settings) -> Finding:
    """This machine's clock and the server's agree: tokens and signatures depend on it."""
    with _client(settings) as client:
        before = time.time()
        stated = client.transport.date()
        now = (before + time.time()) / 2
    if not stated:
        return Finding("clock", "warning", "the server does not say its time")
    # The header is cut to whole seconds.
    skew = now - parsedate_to_datetime(stated).timestamp() - 0.5
    if abs(skew) > SKEW_SECONDS:
        return Finding("clock", "wrong", f"{skew:+.0f} s from the server's", "set the clock (NTP)")
    return Finding("clock", "ok", f"within {abs(skew):.1f} s of the server's")


def check_pilots(settings: Settings) -> Finding:
    """Somebody is there to run jobs."""
    mend = "culm up, or culm pilot --queue QUEUE"
    try:
        with _client(settings) as client:
            pilots = client.pilots()
    except NotAllowed as error:
        return Finding("pilots", "warning", error.message)
    now = utc_now()
    alive = [
        p
        for p in pilots
        if (now - _moment(p.last_heard_at)).total_seconds() < SILENT_PILOT_SECONDS
        and p.status not in ("ended", "signed_off", "lost", "gone")
    ]
    if not alive:
        return Finding("pilots", "warning", "none was heard of in the last 5 minutes", mend)
    slots = sum(pilot.slots for pilot in alive)
    return Finding("pilots", "ok", f"{len(alive)} with {slots} slots")


def check_prefect(settings: Settings) -> Finding:
    """Prefect answers; without it work goes on, but nothing of it is shown."""
    import httpx

    mend = "culm up, or set prefect_api_url; tasks go on without it"
    try:
        answer = httpx.get(
            f"{settings.prefect_api_url.rstrip('/')}/health", timeout=5, trust_env=False
        )
    except httpx.HTTPError as error:
        return Finding("prefect", "warning", f"{settings.prefect_api_url}: {error}", mend)
    if answer.status_code != 200:
        return Finding(
            "prefect", "warning", f"{settings.prefect_api_url} answered {answer.status_code}", mend
        )
    return Finding("prefect", "ok", settings.prefect_api_url)


def _client(settings: Settings) -> Client:
    return Client(settings=settings, patience_seconds=0.0)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


OF_SERVER = (check_server_ready, check_token, check_clock, check_pilots)
CHECKS: tuple[Check, ...] = (
    check_data_directory,
    check_private_files,
    check_disk_space,
    check_database,
    check_server,
    check_server_ready,
    check_token,
    check_clock,
    check_pilots,
    check_prefect,
)
