"""Commands whose options are the fields of a dataclass."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

from culm.cli.option_groups import HelpGroup
from culm.client.option_files import LOAD_JSON, loaded
from culm.client.search_files import on_disk

T = TypeVar("T")


def options_from(kind: type[T], argument: str) -> Callable[[Callable[..., Any]], Any]:
    """A decorator: `argument`, a dataclass, becomes one option for each of its fields.

    A field's metadata bears `flag`, `help` and, if they are grouped, `group`. Beside the flag
    (`--inDS`) the field's name is taken too (`--in-ds`). Options that may come from a file
    (`--loadJson`) do; what stands on the command line wins. Those have a `--helpGroup`: the
    command's class is a grouped one.
    """
    from_file = any(f.name == LOAD_JSON for f in fields(kind))  # type: ignore[arg-type]

    def decorate(function: Callable[..., Any]) -> Any:
        def command(**values: Any) -> Any:
            own = {f.name: values.pop(f.name) for f in fields(kind) if f.name in values}  # type: ignore[arg-type]
            options = kind(**own)
            if from_file:
                del values[_HELP_GROUP.name]
                options = loaded(options, on_disk, _given(values["ctx"]))
            return function(**values, **{argument: options})

        rest = inspect.signature(function, eval_str=True).parameters
        parameters = [*_parameters(kind), *(p for n, p in rest.items() if n != argument)]
        if from_file:
            parameters.append(_HELP_GROUP)
        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        )
        command.__name__, command.__doc__ = function.__name__, function.__doc__
        return command

    return decorate


_HELP_GROUP = inspect.Parameter(
    "help_group", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=HelpGroup
)


def _given(ctx: typer.Context) -> list[str]:
    """The parameters that stand on the command line."""
    return [name for name in ctx.params if _stands_there(ctx, name)]


def _stands_there(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _parameters(kind: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(kind)
    return [_parameter(f, hints[f.name]) for f in fields(kind) if f.metadata["flag"]]


def _parameter(field: Field[Any], hint: Any) -> inspect.Parameter:
    flag, kebab = field.metadata["flag"], "--" + field.name.replace("_", "-")
    spellings = [flag] if flag == kebab else [flag, kebab]
    # A flag is never `--x/--no-x` here: what is not given keeps its default.
    info = typer.Option(
        *spellings, help=field.metadata["help"], show_default=field.default != "",
        rich_help_panel=field.metadata.get("group"),
    )  # fmt: skip
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[hint, info],
    )
