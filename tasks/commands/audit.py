"""`culm audit`: check the books against the invariants."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from culm.core.settings import load_settings

app = typer.Typer(rich_markup_mode=None)


@app.command()
def audit(
    as_json: Annotated[bool, typer.Option("--json", help="As one JSON value.")] = False,
) -> None:
    """Print every row that breaks an invariant; the exit code is 1 if there is one.

    Reads the database that the settings name (`database_url`), so it wants no server.
    """
    from tasks.audit import CHECKS
    from tasks.audit import audit as check
    from tasks.store import schema
    from tasks.store.books import Books

    with Books.existing(load_settings().database_url) as books:
        schema.check(books)
        with books.read() as session:
            findings = check(session)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        typer.echo(json.dumps({"checks": len(CHECKS), "findings": rows}))
    else:
        for finding in findings:
            typer.echo(f"{finding.invariant} {finding.entity}: {finding.message}")
        typer.echo(f"{len(CHECKS)} checks, {len(findings)} findings", err=True)
    if findings:
        raise typer.Exit(1)
