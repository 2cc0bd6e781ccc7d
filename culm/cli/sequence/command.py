"""`culm sequence FILE`: run a file of steps and a sequence, as psequencer does."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from culm.cli.context import client_of
from culm.cli.render import say
from culm.core.errors import Misconfigured, UserError

if TYPE_CHECKING:
    from culm.cli.sequence.steps import Ends
    from culm.client import Client

app = typer.Typer(rich_markup_mode=None)


class By(StrEnum):
    """Who tells that a task has ended."""

    AUTO = "auto"
    SERVER = "server"
    MAIL = "mail"


File = Annotated[Path, typer.Argument(metavar="FILE", help="Steps in shell, then ### Sequence.")]
Told = Annotated[
    By,
    typer.Option(
        "--by", help="Who tells of ends: auto is mail if panda.cfg has [sequencer], else server."
    ),
]
Depth = Annotated[
    float,
    typer.Option("--initScanDepth", "--init-scan-depth", min=0.01,
                 help="Days that getFrozenPandaJobs and the mailbox are looked through."),
]  # fmt: skip
Config = Annotated[
    Path | None, typer.Option("--config", help="The panda.cfg (default: ~/.pathena/panda.cfg).")
]


@app.command()
def sequence(  # noqa: PLR0913, PLR0917 - each is an option of the command
    ctx: typer.Context,
    file: File,
    by: Told = By.AUTO,
    scan_depth: Depth = 3.0,
    config: Config = None,
    check: Annotated[bool, typer.Option("--check", help="Look for errors; run nothing.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what is run.")] = False,
) -> None:
    """Run steps in an order that Python says, each when the tasks before it have ended.

    All of the file is looked at before any of it is run. The sequence runs on this machine only;
    nothing of it goes to the server. Exit code: 0, or 1 after an error in the sequence, or what
    its sys.exit says.
    """
    from culm.cli.sequence.running import run_sequence
    from culm.cli.sequence.sections import read_sections

    sections = read_sections(_text(file), str(file))
    if check:
        say(f"{file}: {len(sections.steps)} steps and a sequence, nothing is wrong")
        return
    ends = _ends(client_of(ctx), by, scan_depth, config)
    raise typer.Exit(run_sequence(sections, str(file), ends, verbose=verbose))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "is no text in UTF-8"
        raise UserError(f"{file}: {words}", hint="culm sequence --help") from error


def _ends(client: Client, by: By, scan_days: float, config: Path | None) -> Ends:
    from culm.cli.sequence.mail_ends import MailEnds
    from culm.cli.sequence.panda_cfg import config_path, mail_access
    from culm.cli.sequence.server_ends import ServerEnds

    server = ServerEnds(client, scan_days)
    if by == By.SERVER:
        return server
    path = config or config_path()
    access = mail_access(path)
    if access is not None:
        if path.stat().st_mode & 0o077:
            say(f"warning: others can read {path}, which holds a password: chmod 600 {path}")
        return MailEnds(access, scan_days, server.running)
    if by == By.MAIL or config is not None:
        raise Misconfigured(f"{path} has no section [sequencer]", hint="or: --by server")
    return server
