"""Commands whose options are the fields of a dataclass."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Annotated, Any, TypeVar, get_type_hints

import typer

T = TypeVar("T")


def options_from(kind: type[T], argument: str) -> Callable[[Callable[..., Any]], Any]:
    """A decorator: `argument`, a dataclass, becomes one option for each of its fields.

    A field's metadata bears `flag` and `help`. Beside the flag (`--inDS`) the field's name is
    taken too (`--in-ds`).
    """

    def decorate(function: Callable[..., Any]) -> Any:
        def command(**values: Any) -> Any:
            own = {f.name: values.pop(f.name) for f in fields(kind)}  # type: ignore[arg-type]
            return function(**values, **{argument: kind(**own)})

        rest = inspect.signature(function, eval_str=True).parameters
        parameters = [*_parameters(kind), *(p for n, p in rest.items() if n != argument)]
        command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
        )
        command.__name__, command.__doc__ = function.__name__, function.__doc__
        return command

    return decorate


def _parameters(kind: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(kind)
    return [_parameter(f, hints[f.name]) for f in fields(kind)]


def _parameter(field: Field[Any], hint: Any) -> inspect.Parameter:
    flag, kebab = field.metadata["flag"], "--" + field.name.replace("_", "-")
    spellings = [flag] if flag == kebab else [flag, kebab]
    # A flag is never `--x/--no-x` here: what is not given keeps its default.
    info = typer.Option(*spellings, help=field.metadata["help"], show_default=True)
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[hint, info],
    )
