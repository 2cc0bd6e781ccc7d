"""`culm share`: the tree of global shares, its weights, its tagging rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from culm.cli.administrators import for_administrators
from culm.cli.context import client_of
from culm.cli.errors import needs
from culm.cli.render import Json, print_json, print_table, say, when
from culm.wire.codec import decode
from culm.wire.shares import ShareDocument, ShareList, ShareRules

app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Who gets how much of the computing power."
)
_PATTERNS = ("vo", "activity", "working_group", "processing_type", "campaign", "user")


@app.command()
def show(ctx: typer.Context, as_json: Json = False) -> None:
    """Show the tree: target, due now, used, and what waits."""
    _print(client_of(ctx).shares(), as_json=as_json)


@app.command("set")
def set_(
    ctx: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="FILE|NAME", help="A YAML or JSON file, or a share's name.")
    ],
    weight: Annotated[
        float | None, typer.Argument(help="The share's new weight among its siblings.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Replace the tree by that of a file, or give one share another weight (admin)."""
    with for_administrators(ctx):
        client = client_of(ctx)
        if weight is not None:
            found = client.set_share(what, weight)
        else:
            document = decode(ShareDocument, _content(what), what)
            found = client.set_shares(document)
    _print(found, as_json=as_json)


@app.command()
def rules(
    ctx: typer.Context,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="A YAML or JSON file with other rules.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the tagging rules, or replace them by those of a file (admin)."""
    if file is None:
        found = client_of(ctx).share_rules()
    else:
        wanted = decode(ShareRules, _content(file), file)
        with for_administrators(ctx):
            found = client_of(ctx).set_share_rules(wanted.rules)
    if as_json:
        print_json(found)
        return
    print_table(
        ("share", *(name.replace("_", " ") for name in _PATTERNS)),
        ((rule.share, *(getattr(rule, name) or "*" for name in _PATTERNS)) for rule in found),
    )


def _content(path: str) -> Any:
    """The value of a YAML or JSON file (JSON is YAML too)."""
    import yaml

    try:
        return yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        needed = f"no file that can be read ({error.strerror}); a share's name wants a weight"
        raise needs("FILE|NAME", path, needed) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise needs("FILE", path, f"is neither YAML nor JSON: {error}") from error


def _print(found: ShareList, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_table(
        ("share", "weight", "target", "due", "used", "HS06", "running", "queued"),
        (
            ("  " * s.depth + s.name, f"{s.weight:g}", _percent(s.target), _percent(s.due),
             _percent(s.used), f"{s.used_hs06:.0f}", s.n_running, s.n_queued)
            for s in found.shares
        ),
    )  # fmt: skip
    say(f"jobs counted {when(found.counted_at) or 'never: is culm daemon running?'}")


def _percent(fraction: float) -> str:
    return f"{fraction:.1%}"
