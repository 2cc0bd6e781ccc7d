"""The root of the command `culm`: global options, the table of commands, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from culm import __version__
from culm.cli import errors
from culm.cli.context import Flags
from culm.cli.lazy import Entry, LazyGroup
from culm.core.house import check_house

ENTRIES = {
    "prun": Entry("Submit a task: any command, over any number of files.", "culm.cli.prun:app"),
    "pathena": Entry(
        "Submit an Athena task: job options or transformations.", "culm.cli.pathena:app"
    ),
    "run": Entry("Try a task on this machine alone, before it is submitted."),
    "chain": Entry("Run a workflow of many tasks, written in CWL.", "culm.cli.chain:app"),
    "workflow": Entry("List, show, draw, kill, retry workflows.", "culm.cli.workflow:app"),
    "cwl-runner": Entry(
        "Run a document of standard CWL, as CWL runners do.", "culm.cli.cwl_runner:app"
    ),
    "hpo": Entry("Submit a hyperparameter search, and look at one.", "culm.cli.hpo:app"),
    "task": Entry("List, show, wait for, kill, retry tasks.", "culm.cli.task_outputs:app"),
    "job": Entry("List, show, kill jobs; see their output.", "culm.cli.job:app"),
    "book": Entry("Keep the book of your tasks, as pbook does.", "culm.cli.book.command:app"),
    "why": Entry("Say what hinders a task or job, and what would help.", "culm.cli.why:app"),
    "dataset": Entry("Add, list and fetch datasets and files.", "culm.cli.dataset:app"),
    "queue": Entry("List queues and set them.", "culm.cli.queue:app"),
    "share": Entry("Show and set global shares.", "culm.cli.share:app"),
    "resource-type": Entry(
        "See and change the kinds of need that jobs are counted by.", "culm.cli.resource_type:app"
    ),
    "set": Entry("See and change thresholds at run time.", "culm.cli.thresholds:app"),
    "retry-rule": Entry("See and change what is made of errors.", "culm.cli.retry_rule:app"),
    "secret": Entry("Keep secrets that your jobs need.", "culm.cli.secret:app"),
    "sequence": Entry(
        "Run steps in an order, each when tasks have ended.",
        "culm.cli.sequence.command:app",
    ),
    "notify": Entry("Say where you are told that tasks have ended.", "culm.cli.notify:app"),
    "pilots": Entry("List the pilots that signed on.", "culm.cli.pilots:app"),
    "panda-pilot": Entry("Write a launcher for PanDA's own pilot.", "culm.cli.panda_pilot:app"),
    "login": Entry("Log in at your organisation's identity provider.", "culm.cli.login:app"),
    "logout": Entry("Forget the login at the server.", "culm.cli.login:logout_app"),
    "whoami": Entry("Say who your token says that you are.", "culm.cli.whoami:app"),
    "panda-env": Entry(
        "Point PanDA's own client (prun, pbook, …) at this server.", "culm.cli.panda_env:app"
    ),
    "config": Entry("Show the settings and where they come from.", "culm.cli.config:app"),
    "doctor": Entry("Say what is wrong here and how to mend it.", "culm.cli.doctor:app"),
    "demo": Entry("Run a small real analysis from end to end.", "culm.cli.demo.command:app"),
    "up": Entry("Start all parts on this machine.", "culm.cli.up:app"),
    "down": Entry("Stop what `culm up` started.", "culm.cli.up:down_app"),
    "audit": Entry("Check that the books add up."),
    "simulate": Entry("Simulate brokerage; ask what if."),
    "token": Entry("Make and revoke tokens."),
    "db": Entry("Make, migrate and look after the database."),
    "server": Entry("Run the HTTP server."),
    "daemon": Entry("Run the agents that move tasks on."),
    "pilot": Entry("Run a pilot: fetch jobs and run them."),
}


class Root(LazyGroup):
    """All commands of Culm."""

    entries = ENTRIES


app = typer.Typer(
    cls=Root,
    name="culm",
    rich_markup_mode=None,  # Plain help: importing rich costs as much as all the rest.
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"culm {__version__}")
        raise typer.Exit


@app.callback()
def root(
    ctx: typer.Context,
    server_url: Annotated[str | None, typer.Option(help="The server to talk to.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="The file with your token.")] = None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Culm: tasks become jobs, pilots run them, no input is lost."""
    del version, debug
    ctx.obj = Flags(server_url=server_url, token_file=token_file)


def run(arguments: Sequence[str]) -> int:
    """The exit code of one call of `culm` with these arguments; prints, never raises."""
    words, debug = _without_debug(arguments)
    try:
        check_house()
        result: Any = typer.main.get_command(app)(
            args=words, prog_name="culm", standalone_mode=False
        )
    except Exception as error:  # the last resort: every error becomes words and an exit code
        return errors.tell(error, debug=debug)
    except KeyboardInterrupt:
        return errors.INTERRUPTED
    except SystemExit as leaving:
        # Typer leaves with 1 when a reader has gone (`culm … | head`): that is no failure.
        if not isinstance(leaving.__context__, BrokenPipeError):
            raise
        errors.silence_stdout()
        return 0
    return result if isinstance(result, int) else 0


def _without_debug(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The words without `--debug`, which may stand anywhere before `--`, and whether it did."""
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    kept = [word for word in words[:end] if word != "--debug"]
    return kept + words[end:], len(kept) < end or bool(os.environ.get("CULM_DEBUG"))


def main() -> None:
    """Run `culm` with the arguments of this process and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        errors.silence_stdout()
    sys.exit(code)
