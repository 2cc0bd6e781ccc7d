"""`culm up` and `culm down`: all parts on one machine under one supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from culm.cli import installation
from culm.cli.installation import Extent
from culm.cli.records import end_leftovers, holder, only_one, records
from culm.cli.render import Json, print_fields, print_json, print_table, say
from culm.cli.supervisor import Supervisor
from culm.core.errors import NotFound, OurFault
from culm.core.settings import Settings, load_settings, local_server_url

app = typer.Typer(rich_markup_mode=None)
down_app = typer.Typer(rich_markup_mode=None)

DataDir = Annotated[Path | None, typer.Option(help="Where everything is kept.")]
READY = "ready"
ONE_WISH_SECONDS = 1.0


@app.command()
def up(  # noqa: PLR0913, PLR0917 - each is an option of the command
    data_dir: DataDir = None,
    port: Annotated[int | None, typer.Option(help="The server's port.")] = None,
    prefect_port: Annotated[int | None, typer.Option(help="The Prefect server's port.")] = None,
    pilots: Annotated[int, typer.Option(min=0, max=100, help="How many local pilots.")] = 1,
    slots: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Jobs at once in a pilot (default: cores).")
    ] = None,
    harvester: Annotated[
        bool,
        typer.Option("--harvester", help="Start pilots of one job each as work comes."),
    ] = False,
    no_prefect: Annotated[bool, typer.Option("--no-prefect", help="Without Prefect.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Go on in the background.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Only say what runs.")] = False,
    as_json: Json = False,
) -> None:
    """Start server, Prefect, daemon and local pilots; Ctrl-C stops them in good order."""
    settings = load_settings(
        {"data_dir": data_dir, "server_port": port, "prefect_port": prefect_port}
    )
    each = slots or max(1, len(os.sched_getaffinity(0)) // max(1, pilots))
    extent = Extent(pilots=pilots, slots=each, prefect=not no_prefect, harvester=harvester)
    if status:
        raise typer.Exit(_status(settings, as_json=as_json))
    installation.make_directories(settings)
    if detach:
        _detach(settings)
    else:
        with only_one(installation.run_dir(settings)):
            keep_up(settings, extent)


@down_app.command()
def down(data_dir: DataDir = None) -> None:
    """Stop what `culm up` started on this data directory, in good order."""
    settings = load_settings({"data_dir": data_dir})
    process_id = holder(installation.run_dir(settings))
    if process_id is None:
        raise NotFound(f"nothing runs on {settings.data_dir}", hint="culm up")
    os.kill(process_id, signal.SIGTERM)
    deadline = time.monotonic() + 120
    while holder(installation.run_dir(settings)) == process_id:
        if time.monotonic() > deadline:
            raise OurFault(f"process {process_id} has not stopped in two minutes")
        time.sleep(0.1)
    say(f"stopped: {settings.data_dir}")


@dataclass(slots=True)
class Signals:
    """How often this process was told to stop: once in good order, twice at once."""

    times: list[float] = field(default_factory=list)

    def stop(self) -> bool:
        """Whether it was told to stop."""
        return bool(self.times)

    def hurry(self) -> bool:
        """Whether it was told again.

        Some send one wish twice: `timeout` to the process and to its group.
        """
        return bool(self.times) and self.times[-1] - self.times[0] > ONE_WISH_SECONDS

    def take(self, number: int, frame: FrameType | None) -> None:
        """Note a signal."""
        del number, frame
        self.times.append(time.monotonic())


@contextmanager
def stop_signals() -> Iterator[Signals]:
    """SIGINT, SIGTERM and SIGHUP noted, not obeyed at once; as before when left."""
    signals = Signals()
    before = {
        number: signal.signal(number, signals.take)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def keep_up(settings: Settings, extent: Extent) -> None:
    """Start all parts, look after them until told to stop, stop them."""
    run_dir, log_dir = installation.run_dir(settings), installation.log_dir(settings)
    (run_dir / READY).unlink(missing_ok=True)
    for record in end_leftovers(run_dir):
        say(f"ended {record.name} (process {record.process_id}) of an earlier culm up")
    installation.check_ports(settings, extent)
    supervisor = Supervisor(log_dir, run_dir, say)
    with stop_signals() as signals:
        try:
            installation.init_database(settings)
            _start(supervisor, settings, extent, signals.stop)
            if not signals.stop():
                (run_dir / READY).write_text(str(os.getpid()), encoding="utf-8")
                _say_ready(settings, extent)
            while not signals.stop():
                supervisor.tend()
                time.sleep(0.2)
            say("stopping: pilots, daemon, Prefect, server (Ctrl-C again: at once)")
        finally:
            supervisor.stop(signals.hurry)
            (run_dir / READY).unlink(missing_ok=True)


def _start(
    supervisor: Supervisor, settings: Settings, extent: Extent, stopped: Callable[[], bool]
) -> None:
    """Start the server, and when it answers all others at once; wait until they answer too."""
    server, *others = installation.parts(settings, extent)
    say(f"starting {', '.join(part.name for part in (server, *others))}")
    supervisor.start(server)
    if not supervisor.wait_ready(server, stopped) and not stopped():
        raise OurFault("the server does not get ready", hint=f"read {supervisor.log_of(server)}")
    for part in others if not stopped() else ():
        supervisor.start(part)
    for part in others:
        if part.ready_url and not supervisor.wait_ready(part, stopped) and not stopped():
            say(f"{part.name} does not answer yet; log: {supervisor.log_of(part)}")


def _say_ready(settings: Settings, extent: Extent) -> None:
    url = local_server_url(settings)
    print_fields(
        [
            ("server", url),
            ("API", f"{url}/docs"),
            ("Prefect", installation.prefect_url(settings) if extent.prefect else ""),
            ("pilots", _pilots(extent)),
            ("data", settings.data_dir),
            ("logs", installation.log_dir(settings)),
        ]
    )
    sys.stdout.flush()
    say("ready; Ctrl-C stops everything")


def _pilots(extent: Extent) -> str:
    if extent.harvester:
        return f"as wanted, on {extent.cores} cores at {extent.queue}"
    return f"{extent.pilots} with {extent.slots} slots each at {extent.queue}"


def _detach(settings: Settings) -> None:
    """Start this command again in the background; return when it is ready.

    Raises:
        OurFault: it ended before that.
    """
    log = installation.log_dir(settings) / "up.log"
    words = [word for word in sys.argv[1:] if word != "--detach"]
    with log.open("ab") as stream:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "culm", *words],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    ready = installation.run_dir(settings) / READY
    while not (ready.exists() and ready.read_text() == str(process.pid)):
        if process.poll() is not None:
            last = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-4:]
            raise OurFault("culm up ended: " + " | ".join(last), hint=f"read {log}")
        time.sleep(0.1)
    say(f"up as process {process.pid} at {local_server_url(settings)}; stop it: culm down")


def _status(settings: Settings, *, as_json: bool) -> int:
    """Print what runs here; the exit code: 0 if something does, else 1."""
    process_id = holder(installation.run_dir(settings))
    found = list(records(installation.run_dir(settings)))
    rows = [(r.name, "running" if r.alive() else "ended", r.process_id) for r in found]
    if as_json:
        print_json(
            {
                "running": process_id is not None,
                "process_id": process_id,
                "data_dir": str(settings.data_dir),
                "parts": [{"name": n, "state": s, "process_id": p} for n, s, p in rows],
            }
        )
    else:
        print_table(("part", "state", "process"), rows)
        say(f"up as process {process_id}" if process_id else f"down: {settings.data_dir}")
    return 0 if process_id else 1
