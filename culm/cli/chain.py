"""`culm chain`: look at a workflow of many steps, as PanDA's pchain does."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from culm.cli.context import client_of
from culm.cli.render import Json, print_json, print_line, say
from culm.core.errors import UserError
from culm.wire.workflows import StepAsRun, WorkflowCheck

app = typer.Typer(rich_markup_mode=None)

Cwl = Annotated[str, typer.Option("--cwl", help="The workflow: a CWL file, or file.cwl#name.")]
Yaml = Annotated[str, typer.Option("--yaml", help="Its inputs: a YAML or JSON file.")]
OutDs = Annotated[
    str, typer.Option("--outDS", "--out-ds", help="What the names of its datasets begin with.")
]
Check = Annotated[
    bool, typer.Option("--check", help="Say how each step would run, or all that is wrong.")
]
WorkDir = Annotated[
    str, typer.Option("--workDir", "--work-dir", help="Only files below it are sent.")
]


@app.command()
def chain(  # noqa: PLR0913, PLR0917 - each is an option of the command
    ctx: typer.Context,
    cwl: Cwl,
    out_ds: OutDs,
    yaml: Yaml = "",
    check: Check = False,
    work_dir: WorkDir = ".",
    as_json: Json = False,
) -> None:
    """Look at a workflow: its documents are sent to the server, nothing is written there.

    Every step is printed as it would run: id, type, parents, options, output. A step of a scatter
    is there once for each branch, one of a loop in its first iteration.
    """
    if not check:
        raise UserError(
            "workflows cannot be run yet, only looked at",
            hint=f"culm chain --cwl {cwl} --outDS {out_ds} --check",
        )
    found = client_of(ctx).check_workflow(cwl, yaml, out_ds=out_ds, directory=work_dir)
    for warning in found.warnings:
        say(f"warning: {warning}")
    if as_json:
        print_json(found)
    else:
        _show(found)


def _show(found: WorkflowCheck) -> None:
    for step in found.steps:
        _show_step(step)
    left = found.n_steps - len(found.steps)
    if left:
        say(f"{left} more steps are not shown")
    say(f"{found.name}: {found.n_steps} step" + "s" * (found.n_steps != 1) + ", nothing is wrong")


def _show_step(step: StepAsRun) -> None:
    print_line(f"{step.id}  {step.type}  {step.place}" + ("  (loop)" if step.loop else ""))
    if step.path != step.name:
        print_line(f"  in: {step.path}")
    if step.when:
        print_line(f"  when: {step.when}")
    if step.parents:
        print_line(f"  parents: {', '.join(step.parents)}")
    for name, value in step.inputs.items():
        print_line(f"  {name}: {_shown(value)}")
    for output in step.outputs:
        print_line(f"  output: {output}")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
