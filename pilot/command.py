"""The command `culm pilot`, and `pilot.pyz`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilot.starting import log_to_stderr, serve

if TYPE_CHECKING:
    from culm.core.settings import Settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

_Server = Annotated[str | None, typer.Option(help="URL of the server.  [CULM_SERVER_URL]")]
_Queue = Annotated[str, typer.Option(help="The queue to take jobs from.  [CULM_PILOT_QUEUE]")]
_Token = Annotated[
    str | None, typer.Option(help="File with the token; - is standard input.  [CULM_TOKEN_FILE]")
]
_Slots = Annotated[int, typer.Option(min=1, max=10_000, help="Jobs at the same time.")]
_Cores = Annotated[int, typer.Option(min=0, help="Cores to use; 0: all.")]
_Memory = Annotated[int, typer.Option(min=0, help="Memory to use, MB; 0: all.")]
_Disk = Annotated[int, typer.Option(min=0, help="Disk to use, MB; 0: what is free.")]
_Work = Annotated[Path | None, typer.Option(help="Directory for jobs and the sandbox cache.")]
_Batch = Annotated[int, typer.Option(min=1, max=1000, help="Jobs asked for in a call.")]
_MaxJobs = Annotated[int | None, typer.Option(min=1, help="End after so many jobs.")]
_Life = Annotated[float | None, typer.Option(min=0, help="Take no job after so many seconds.")]
_Idle = Annotated[float | None, typer.Option(min=0, help="End after so many idle seconds.")]
_Once = Annotated[bool, typer.Option("--once", help="End after the first answer with work.")]
_Stdout = Annotated[float, typer.Option(min=0, help="Most output of a payload, MB.")]
_Grace = Annotated[float, typer.Option(min=0, help="Seconds from SIGTERM to SIGKILL.")]
_Sample = Annotated[
    float,
    typer.Option(
        min=0.01, help="Longest time between looks at a payload, s; 30 of them tell a memory leak."
    ),
]
_Images = Annotated[
    str | None,
    typer.Option(help="Folder of unpacked images.  [CULM_IMAGES_DIR]"),
]
_Isolation = Annotated[
    str | None,
    typer.Option(help="Shut payloads in by bubblewrap: auto, off, required.  [CULM_ISOLATION]"),
]
_Hide = Annotated[
    list[Path] | None,
    typer.Option(help="Files and folders that payloads that are shut in do not see."),
]
_Level = Annotated[str, typer.Option(help="Least level that is logged.")]


@app.command()
def pilot(  # noqa: PLR0913, PLR0917 - one parameter an option
    server: _Server = None,
    queue: _Queue = "",
    token_file: _Token = None,
    slots: _Slots = 1,
    cores: _Cores = 0,
    memory: _Memory = 0,
    disk: _Disk = 0,
    work_dir: _Work = None,
    batch: _Batch = 1,
    max_jobs: _MaxJobs = None,
    lifetime: _Life = None,
    idle_exit: _Idle = None,
    once: _Once = False,
    max_stdout: _Stdout = 2000.0,
    kill_grace: _Grace = 5.0,
    sample_period: _Sample = 10.0,
    images: _Images = None,
    isolation: _Isolation = None,
    hide: _Hide = None,
    log_level: _Level = "INFO",
) -> None:
    """Take jobs from a queue and run them on this node.

    Exit codes: 0 ended in good order, 2 usage, 3 not allowed, 4 no such queue, 128+n ended by
    signal n.
    """
    from pilot.agent import run
    from pilot.isolation import Mode
    from pilot.settings import PilotSettings, default_work_dir, hidden_from_payloads

    def own_settings(found: Settings) -> PilotSettings:
        return PilotSettings(
            server=found.server_url,
            queue=queue or os.environ.get("CULM_PILOT_QUEUE") or "LOCAL",
            work_dir=(work_dir or default_work_dir()).absolute(),
            slots=slots,
            core_count=cores,
            memory_mb=memory,
            disk_mb=disk,
            batch=batch,
            max_jobs=max_jobs,
            lifetime_seconds=lifetime,
            idle_exit_seconds=idle_exit,
            once=once,
            max_stdout_mb=max_stdout,
            kill_grace_seconds=kill_grace,
            sample_seconds=sample_period,
            images_dir=found.images_dir and str(Path(found.images_dir).absolute()),
            isolation=Mode(found.isolation),
            hidden=hidden_from_payloads(found, hide or ()),
        )

    log_to_stderr(log_level)
    said = {"server_url": server, "token_file": token_file, "images_dir": images,
            "isolation": isolation}  # fmt: skip
    raise typer.Exit(serve("pilot", said, own_settings, run))
