"""Options in groups: `--help` shows the common ones, `--helpGroup` one group or all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from culm.core.errors import UserError
from culm.core.nearest import unknown_name

COMMON = ("trf", "run", "input", "output", "split", "search", "evaluation", "submit")
"""The groups that plain `--help` shows."""
_SUBMITTING = {"submit": "What is done with the task"}
ALL = "ALL"
_WANTED = "culm.help_group"


class _Grouped:
    """The help of a command whose options bear a group in place of a panel."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The options of the groups that are wanted, and the names of the other groups."""
        titles = _titles()
        groups = _groups(self, ctx)
        wanted = ctx.meta.get(_WANTED)
        shown = [g for g in groups if g in COMMON or g == ""] if wanted is None else wanted
        for group in groups:
            if group in shown:
                with formatter.section(titles.get(group, "Options")):
                    formatter.write_dl(groups[group])
        left = [(group, titles[group]) for group in groups if group not in shown and group]
        if left and wanted is None:
            with formatter.section("More options, with --helpGroup GROUP or ALL"):
                formatter.write_dl(left)
        if isinstance(self, TyperGroup):
            self.format_commands(ctx, formatter)


class GroupedCommand(_Grouped, TyperCommand):
    """A command with options in groups."""


class GroupedGroup(_Grouped, TyperGroup):
    """A group of commands that itself is a command with options in groups."""


def _titles() -> dict[str, str]:
    """The title of each group of any command, in the order in which they are shown."""
    from culm.client import hpo_options, pathena_options, prun_options

    kinds = (pathena_options.GROUPS, prun_options.GROUPS, hpo_options.GROUPS, _SUBMITTING)
    return {name: title for groups in kinds for name, title in groups.items()}


def _groups(command: Any, ctx: Any) -> Mapping[str, list[tuple[str, str]]]:
    """Group → (spellings, words) of its options, in the order of their titles."""
    found: dict[str, list[tuple[str, str]]] = {name: [] for name in (*_titles(), "")}
    for parameter in command.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None:
            group = getattr(parameter, "rich_help_panel", None) or ""
            found[group if group in found else ""].append(record)
    return {name: records for name, records in found.items() if records}


def _show(ctx: typer.Context, word: str | None) -> None:
    if word is None or ctx.resilient_parsing:
        return
    groups = [name for name in _groups(ctx.command, ctx) if name]
    names = {name.casefold(): name for name in groups}
    chosen = names.get(word.casefold())
    if word.upper() != ALL and chosen is None:
        words = f"--helpGroup {word}: {unknown_name(word, [*groups, ALL])}"
        raise UserError(words, hint=f"{ctx.command_path} --helpGroup {ALL}")
    ctx.meta[_WANTED] = [*groups, ""] if chosen is None else [chosen]
    typer.echo(ctx.get_help())
    raise typer.Exit


HelpGroup = Annotated[
    str | None,
    typer.Option(
        "--helpGroup", "--help-group", metavar="GROUP", is_eager=True, callback=_show,
        expose_value=False, help="Show the options of one group, or of ALL.",
    ),
]  # fmt: skip
