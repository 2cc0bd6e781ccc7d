"""The page of commands, printed from the command line's own tables."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import typer

from culm.cli.lazy import Entry
from culm.cli.main import ENTRIES

INTRO = """\
`culm COMMAND --help` says the same where you type. Global options go before the command:
`--server-url`, `--token-file`, `--version`, `--debug` (shows tracebacks).

Ids are written as `1,3,5-8`, `last` (your newest), or `-` (from standard input). Every reading
command has `--json`: one JSON value, nothing else on standard output. Tables and colours appear
on a terminal only, progress on standard error. What destroys asks on a terminal, and wants
`--yes` elsewhere.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | the task or job failed |
| 2 | wrong usage |
| 3 | not allowed |
| 4 | not found |
| 5 | the status does not take it |
| 6 | the server cannot be reached |
| 7 | partly done |
| 124 | the wait timed out |
| 130 | interrupted |
"""

_EVERYWHERE = ("help", "install_completion", "show_completion")


def text() -> str:
    """The whole page."""
    parts = ["# Commands", "", INTRO]
    for name, entry in ENTRIES.items():
        parts += [f"## culm {name}", "", entry.help, "", *_details(name, entry)]
    return "\n".join(parts)


def _details(name: str, entry: Entry) -> Iterator[str]:
    # What joins by entry point belongs to the upper floors: heavy to import, and not ours to know.
    if not entry.target:
        return
    module, _, attribute = entry.target.partition(":")
    command = typer.main.get_command(getattr(import_module(module), attribute))
    subcommands = getattr(command, "commands", None)
    if subcommands is None:
        yield from _options(command)
        return
    if getattr(command, "invoke_without_command", False):
        yield from (_help(command), "")
        yield from _options(command)
    for sub_name, sub in subcommands.items():
        yield from (f"### culm {name} {sub_name}", "", _help(sub), "")
        yield from _options(sub)


def _options(command: Any) -> Iterator[str]:
    shown = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    shown = [p for p in shown if p.name not in _EVERYWHERE]
    if not shown:
        return
    yield from ("| option | what it does |", "| --- | --- |")
    for option in shown:
        names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
        yield f"| {names} | {_cell(option.help or '')}{_default(option)} |"
    yield ""


def _default(option: Any) -> str:
    value = option.default
    plain = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    return f" Default: `{value}`." if plain and value != "" else ""


def _help(command: Any) -> str:
    return " ".join((command.help or "").split())


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("*", "\\*").replace("<", "&lt;")
