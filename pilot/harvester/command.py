"""The command `culm harvester`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pilot.starting import log_to_stderr, serve

if TYPE_CHECKING:
    from culm.core.settings import Settings

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

_Server = Annotated[str | None, typer.Option(help="URL of the server.  [CULM_SERVER_URL]")]
_Queues = Annotated[
    list[str] | None,
    typer.Option("--queue", help="A queue to serve, again for more (default: all of the token)."),
]
_Token = Annotated[
    str | None,
    typer.Option(help="File with a provisioning token; - is standard input.  [CULM_TOKEN_FILE]"),
]
_Cores = Annotated[int, typer.Option(min=0, help="Cores for all workers; 0: all.")]
_Memory = Annotated[int, typer.Option(min=0, help="Memory for all workers, MB; 0: all.")]
_Keep = Annotated[
    int,
    typer.Option(min=0, help="Workers of one core that are always at each --queue, work or not."),
]
_Period = Annotated[float, typer.Option(min=0.1, help="Seconds between looks at what is wanted.")]
_Idle = Annotated[float, typer.Option(min=0, help="Workers end after so many idle seconds.")]
_Work = Annotated[Path | None, typer.Option(help="Directory for the workers.")]
_Isolation = Annotated[
    str | None,
    typer.Option(help="Shut payloads in by bubblewrap: auto, off, required.  [CULM_ISOLATION]"),
]
_Images = Annotated[
    str | None,
    typer.Option(help="Folder of unpacked images.  [CULM_IMAGES_DIR]"),
]
_Level = Annotated[str, typer.Option(help="Least level that is logged.")]


@app.command()
def harvester(  # noqa: PLR0913, PLR0917 - one parameter an option
    server: _Server = None,
    queue: _Queues = None,
    token_file: _Token = None,
    cores: _Cores = 0,
    memory: _Memory = 0,
    keep: _Keep = 0,
    period: _Period = 10.0,
    idle_exit: _Idle = 60.0,
    work_dir: _Work = None,
    images: _Images = None,
    isolation: _Isolation = None,
    log_level: _Level = "INFO",
) -> None:
    """Start pilots on this node as the server says that its queues want them.

    Exit codes: 2 usage, 3 not allowed, 128+n ended by signal n.
    """
    from culm.core.errors import FieldFault, InvalidRequest
    from pilot.harvester.agent import HarvesterSettings, run
    from pilot.harvester.plan import Size
    from pilot.isolation import Mode
    from pilot.settings import default_work_dir, hidden_from_payloads, node_cores, node_memory_mb

    def own_settings(found: Settings) -> HarvesterSettings:
        if keep and not queue:
            fault = FieldFault("--keep", str(keep), "name the queues with --queue")
            raise InvalidRequest("where are workers to be kept?", faults=[fault])
        return HarvesterSettings(
            server=found.server_url,
            work_dir=(work_dir or default_work_dir() / "harvester").absolute(),
            node=Size(core_count=cores or node_cores(), memory_mb=memory or node_memory_mb()),
            queues=tuple(queue or ()),
            keep=keep,
            period_seconds=period,
            idle_exit_seconds=idle_exit,
            images_dir=found.images_dir and str(Path(found.images_dir).absolute()),
            isolation=Mode(found.isolation),
            hidden=hidden_from_payloads(found, ()),
        )

    log_to_stderr(log_level)
    said = {"server_url": server, "token_file": token_file, "images_dir": images,
            "isolation": isolation}  # fmt: skip
    raise typer.Exit(serve("harvester", said, own_settings, run))
