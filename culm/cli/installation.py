"""The parts of an installation on one machine: how each is started, from the settings."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from culm.cli.supervisor import Part
from culm.core.errors import FieldFault, Misconfigured, OurFault
from culm.core.settings import PREFIX, Settings, local_server_url

QUEUE = "LOCAL"
"""The queue that `culm db init` makes."""

_CULM = (sys.executable, "-P", "-m", "culm")
# -P: a file in somebody's current directory must not take the place of a package.


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """Which parts, and how many."""

    pilots: int = 1
    slots: int = 1
    prefect: bool = True
    queue: str = QUEUE
    harvester: bool = False
    """Pilots are started by a harvester, as they are wanted; the first is always there."""

    @property
    def cores(self) -> int:
        """What pilots have together."""
        return max(1, self.pilots) * self.slots


def parts(settings: Settings, extent: Extent) -> list[Part]:
    """The parts in the order in which they are started."""
    found = [server_part(settings)]
    if extent.prefect:
        found.append(prefect_part(settings))
    found.append(daemon_part(settings, extent))
    if extent.harvester:
        return [*found, harvester_part(settings, extent)]
    return found + [pilot_part(settings, extent, nr) for nr in range(1, extent.pilots + 1)]


def server_part(settings: Settings) -> Part:
    """The HTTP server."""
    return Part(
        name="server",
        argv=[*_CULM, "server"],
        environment=environment(settings),
        tier=0,
        ready_url=f"{local_server_url(settings)}/v1/ready",
    )


def prefect_part(settings: Settings) -> Part:
    """Prefect's server with its UI, on loopback."""
    return Part(
        name="prefect",
        argv=[sys.executable, "-P", "-m", "flows.prefect_server"],
        environment=environment(settings),
        tier=1,
        ready_url=f"{prefect_url(settings)}/api/health",
        ready_seconds=120.0,
    )


def daemon_part(settings: Settings, extent: Extent) -> Part:
    """The agents that move tasks on. They begin at once; Prefect may come later."""
    return Part(
        name="daemon",
        argv=[*_CULM, "daemon", *([] if extent.prefect else ["--without-prefect"])],
        environment=environment(settings),
        tier=2,
        stop_seconds=30.0,
    )


def pilot_part(settings: Settings, extent: Extent, number: int) -> Part:
    """A local pilot; the machine's memory is shared between all of them."""
    work_dir = settings.data_dir / "work" / f"pilot-{number}"
    size = ["--slots", str(extent.slots), "--cores", str(extent.slots)]
    if extent.pilots > 1:
        size += ["--memory", str(_memory_mb() // extent.pilots)]
    token = str(settings.data_dir / "tokens" / "pilot.token")
    return Part(
        name=f"pilot-{number}",
        argv=[*_CULM, "pilot", "--queue", extent.queue, "--work-dir", str(work_dir), *size],
        environment={**environment(settings), f"{PREFIX}TOKEN_FILE": token},
        tier=3,
        stop_seconds=30.0,
    )


def harvester_part(settings: Settings, extent: Extent) -> Part:
    """What starts local pilots, as many as their slots would be."""
    work_dir = settings.data_dir / "work" / "harvester"
    token = str(settings.data_dir / "tokens" / "pilot.token")
    size = ["--cores", str(extent.cores), "--keep", "1", "--period", "2"]
    return Part(
        name="harvester",
        argv=[*_CULM, "harvester", "--queue", extent.queue, "--work-dir", str(work_dir), *size],
        environment={**environment(settings), f"{PREFIX}TOKEN_FILE": token},
        tier=3,
        stop_seconds=40.0,
    )


def prefect_url(settings: Settings) -> str:
    """Where a person looks at Prefect's UI."""
    return f"http://127.0.0.1:{settings.prefect_port}"


def environment(settings: Settings) -> Mapping[str, str]:
    """The environment of a part: the settings that somebody set, and where the others are."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    chosen = {name: str(value) for name, value, origin in settings.items() if origin != "default"}
    fixed = {
        "data_dir": str(settings.data_dir),
        "server_url": local_server_url(settings),
        "server_port": str(settings.server_port),
        "prefect_port": str(settings.prefect_port),
    }
    ours = {f"{PREFIX}{name.upper()}": value for name, value in (chosen | fixed).items()}
    # PYTHONSAFEPATH is -P for the Python processes that a part starts itself.
    return {**kept, **ours, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


def make_directories(settings: Settings) -> None:
    """Make the folders that the supervisor needs, for their owner only.

    Raises:
        Misconfigured: they cannot be made.
    """
    try:
        for path in (settings.data_dir, run_dir(settings), log_dir(settings)):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        fault = FieldFault("data_dir", str(settings.data_dir), f"a folder to write to ({error})")
        raise Misconfigured("the data directory cannot be made", faults=[fault]) from error


def run_dir(settings: Settings) -> Path:
    """Where locks and process ids are."""
    return settings.data_dir / "run"


def log_dir(settings: Settings) -> Path:
    """Where the parts' logs are."""
    return settings.data_dir / "logs"


def check_ports(settings: Settings, extent: Extent) -> None:
    """Pass if the ports are free.

    Raises:
        Misconfigured: naming each port that is in use, and its setting.
    """
    wanted = [("server_port", "--port", settings.server_host, settings.server_port)]
    if extent.prefect:
        wanted.append(("prefect_port", "--prefect-port", "127.0.0.1", settings.prefect_port))
    faults = [
        FieldFault(name, str(port), f"in use on {host}; choose another: {flag}")
        for name, flag, host, port in wanted
        if not _free(host, port)
    ]
    if len(wanted) == 2 and wanted[0][3] == wanted[1][3]:
        faults.append(FieldFault("prefect_port", str(wanted[1][3]), "differs from server_port"))
    if faults:
        raise Misconfigured("ports cannot be used", faults=faults)


def _free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # As servers do: a port that only waits for old connections to fade is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError:
            return False
    return True


def init_database(settings: Settings) -> None:
    """Run `culm db init`: directories, keys, tokens, tables.

    Raises:
        OurFault: it failed; its last words are in the message.
    """
    log = log_dir(settings) / "db.log"
    with log.open("ab") as stream:
        done = subprocess.run(
            [*_CULM, "db", "init"],
            env=dict(environment(settings)),
            cwd=run_dir(settings),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            timeout=600,
            check=False,
        )
    if done.returncode:
        last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:]
        raise OurFault("culm db init failed: " + " | ".join(last), hint=f"read {log}")


def _memory_mb() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000
