"""`culm panda-pilot`: write what a site needs to run PanDA's own pilot for a queue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from culm.cli.context import client_of
from culm.cli.render import say
from culm.core.errors import FieldFault, InvalidRequest

app = typer.Typer(rich_markup_mode=None)


@app.command()
def panda_pilot(
    ctx: typer.Context,
    queue: Annotated[str, typer.Argument(metavar="QUEUE", help="The queue to be served.")],
    pilot: Annotated[Path, typer.Option(help="The unpacked sdist of panda-pilot.")],
    token: Annotated[Path, typer.Option(help="A file with a pilot's token for the queue.")],
    out: Annotated[Path, typer.Option(help="Write into this folder.")] = Path("panda-pilot"),
    python: Annotated[str, typer.Option(help="The Python that runs it: 3.11 or 3.12.")] = "python3",
) -> None:
    """Write a launcher for PanDA's own pilot, to be started on a worker node.

    It starts the pilot in a PID namespace of its own, for it kills what it takes for orphans.
    """
    from culm.client.panda_pilot import PandaPilot, write_launcher

    wanted = PandaPilot(
        server=client_of(ctx).transport.server_url.rstrip("/"), queue=queue, source=pilot,
        token=_token(token), python=python,
    )  # fmt: skip
    launcher = write_launcher(wanted, out.absolute())
    say(f"written to {out}; on a node that shares the storage, run:")
    typer.echo(str(launcher))


def _token(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        fault = FieldFault("token", str(path), f"a file with a token ({error})")
        raise InvalidRequest("this token cannot be read", faults=[fault]) from error
