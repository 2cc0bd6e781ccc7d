"""One job of a file, run on this machine as a pilot runs it, without a server.

`python -m pilot.local --work-dir DIR < INPUT.json > REPORT.json`: the input is an object with the
`job` and its owner's `secrets`. The job's URLs must lie on a disk of this machine, its sandbox in
`DIR/sandboxes`. The program that starts it keeps the books.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from culm.core.settings import Settings, load_settings
from culm.wire.codec import decode, encode
from culm.wire.job_spec import JobSpec
from pilot.api import ServerApi
from pilot.attempt import Attempt
from pilot.containers import Containers
from pilot.copy_tools import CopyTools
from pilot.isolation import Isolation, Mode
from pilot.job import Kit, run_job
from pilot.launch import Launcher
from pilot.monitor import Rhythm
from pilot.processes import Family, become_subreaper
from pilot.sandboxes import Sandboxes
from pilot.secrecy import forget_environment
from pilot.settings import hidden_from_payloads
from pilot.starting import log_to_stderr
from pilot.workdir import RunDirectory

MAX_STDOUT_MB = 2000.0
GRACE_SECONDS = 5.0
NOWHERE = "http://127.0.0.1:9"
"""The address of the server that there is not: nothing of such a job is asked of one."""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def local(
    work_dir: Annotated[Path, typer.Option(help="Directory for the job and its sandbox.")],
) -> None:
    """Run the job that comes on standard input; its report goes out as JSON."""
    log_to_stderr("INFO")
    given = json.load(sys.stdin)
    spec = decode(JobSpec, given["job"], "job")
    server, place = _Alone(spec.secrets_url, given["secrets"]), work_dir.absolute()
    launcher = _launcher(load_settings(), place)
    forget_environment()
    become_subreaper()
    with RunDirectory(place) as run:
        report = run_job(Attempt(spec), _kit(run, place, launcher, server))
    if report is None:
        raise typer.Exit(1)
    document: Any = encode(report)
    json.dump(document, sys.stdout)


class _Alone(ServerApi):
    """In a server's place: it has the job's secrets, and nothing else is asked of it."""

    def __init__(self, secrets_url: str | None, secrets: dict[str, str]) -> None:
        super().__init__(NOWHERE, "")
        self._secrets_url = secrets_url
        self._secrets = secrets

    @contextmanager
    def get(self, url: str) -> Iterator[Iterator[bytes]]:
        """The bytes of what is asked for."""
        if url == self._secrets_url:
            yield iter([json.dumps({"secrets": self._secrets}).encode()])
            return
        with super().get(url) as blocks:
            yield blocks


def _launcher(settings: Settings, work_dir: Path) -> Launcher:
    """How payloads are started: shut in and in images, as the pilots of this machine do it."""
    images = settings.images_dir and str(Path(settings.images_dir).absolute())
    hidden = (work_dir, *hidden_from_payloads(settings, ()))
    return Launcher(Isolation.of(Mode(settings.isolation), hidden), Containers(images), images)


def _kit(run: RunDirectory, work_dir: Path, launcher: Launcher, server: ServerApi) -> Kit:
    return Kit(
        run=run,
        server=server,
        tools=CopyTools(server),
        sandboxes=Sandboxes(work_dir / "sandboxes", server),
        family=Family(),
        node=socket.gethostname()[:255],
        max_stdout_mb=MAX_STDOUT_MB,
        grace_seconds=GRACE_SECONDS,
        rhythm=Rhythm(),
        launcher=launcher,
        announce=lambda _attempt: None,
    )


if __name__ == "__main__":
    app()
