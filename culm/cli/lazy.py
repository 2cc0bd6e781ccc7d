"""Groups of commands that import a command's module only when that command is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from culm.core.errors import UserError
from culm.core.nearest import unknown_name
from culm.core.plugins import load_plugin, plugins

GROUP = "culm.commands"
"""The entry points by which the upper floors and other distributions add commands."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A command's line of help and, unless it joins by entry point, its typer app."""

    help: str
    target: str = ""


class LazyGroup(TyperGroup):
    """A group whose commands are entries of a table, and plugins of the group `culm.commands`."""

    entries: Mapping[str, Entry] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """The names: ours in the table's order, then those of others."""
        del ctx
        return [*self.entries, *sorted(name for name in plugins(GROUP) if name not in self.entries)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command, imported now; None if there is none of this name."""
        entry = self.entries.get(cmd_name, Entry(""))
        if entry.target:
            module, _, name = entry.target.partition(":")
            return _command(getattr(import_module(module), name), cmd_name)
        if cmd_name in self.list_commands(ctx):
            return _command(load_plugin(GROUP, cmd_name), cmd_name)
        return None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names.

        Raises:
            UserError: there is none; the nearest one is named.
        """
        word = args[0]
        if word not in self.entries and not word.startswith("-"):
            known = self.list_commands(ctx)
            if word not in known:
                raise UserError(
                    f"no such command {word!r}: {unknown_name(word, known)}", hint="culm --help"
                )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The commands and their lines of help, without importing any of them."""
        rows = [(name, self._help(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The commands that begin as typed, without importing any of them."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        item = _completion_item()
        names = (name for name in self.list_commands(ctx) if name.startswith(incomplete))
        return [item(name, help=self._help(name)) for name in names]

    def _help(self, name: str) -> str:
        entry = self.entries.get(name)
        if entry:
            return entry.help
        distribution = plugins(GROUP)[name].dist
        return f"From {distribution.name}." if distribution else "From a plugin."


def _command(app: Any, name: str) -> Any:
    """The click command of a typer app; an app may hold one command or many."""
    command = typer.main.get_command(app) if isinstance(app, typer.Typer) else app
    command.name = name
    # Completion is installed once, for `culm` itself.
    own = ("install_completion", "show_completion")
    command.params = [parameter for parameter in command.params if parameter.name not in own]
    return command


def _completion_item() -> Any:
    """Click's CompletionItem, from wherever this version of typer keeps it."""
    try:
        module = import_module("typer._click.shell_completion")
    except ImportError:  # typer before 0.20 stands on click itself
        module = import_module("click.shell_completion")
    return module.CompletionItem
