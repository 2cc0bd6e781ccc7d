"""`culm doctor`: what is wrong here, and how to mend it."""

from __future__ import annotations

import typer

from culm.cli.checks import CHECKS, Finding, Patient, run_checks
from culm.cli.context import Flags
from culm.cli.render import Json, print_json, print_table

app = typer.Typer(rich_markup_mode=None)


@app.command()
def doctor(ctx: typer.Context, as_json: Json = False) -> None:
    """Look at everything that Culm stands on; exit code 1 if something is wrong."""
    flags = ctx.find_object(Flags) or Flags()
    found = run_checks(
        CHECKS, Patient.of({"server_url": flags.server_url, "token_file": flags.token_file})
    )
    if as_json:
        print_json({"healthy": _healthy(found), "checks": found})
    else:
        print_table(
            ("", "what", "found", "to mend it"),
            ((f.state, f.name, f.message, f.mend) for f in found),
        )
    if not _healthy(found):
        raise typer.Exit(1)


def _healthy(findings: list[Finding]) -> bool:
    return all(finding.state != "wrong" for finding in findings)
