"""`culm chain`: look at a workflow of many steps or run it, as PanDA's pchain does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from culm.cli.context import client_of
from culm.cli.option_groups import GroupedCommand
from culm.cli.options import options_from
from culm.cli.render import Json, print_json, print_line, say
from culm.cli.submitting import Key, Timeout, warn_of_left_out
from culm.client.chain import Chain, complete
from culm.core.units import parse_duration
from culm.wire.workflows import StepAsRun, WorkflowCheck

if TYPE_CHECKING:
    from culm.client import Client

app = typer.Typer(rich_markup_mode=None)

Check = Annotated[
    bool, typer.Option("--check", help="Say how each step would run, or all that is wrong.")
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the workflow has ended.")]


@app.command(cls=GroupedCommand)
@options_from(Chain, "options")
def chain(  # noqa: PLR0913, PLR0917 - each is an option of the command
    ctx: typer.Context,
    options: Chain,
    check: Check = False,
    wait: Wait = False,
    timeout: Timeout = None,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Submit a workflow: each of its steps becomes a task when its parents have output.

    The current directory is sent along, but for big files. The workflow's id is printed.
    With --check nothing is written: every step is printed as it would run (id, type, parents,
    options, output), one of a scatter for each branch, one of a loop in its first iteration.
    """
    client, options = client_of(ctx), complete(options)
    if check:
        _look(client, options, as_json=as_json)
        return
    timeout_seconds = parse_duration(timeout) if timeout else None
    chosen = client.chosen_files(options)
    if chosen:
        warn_of_left_out(chosen)
    accepted = client.chain(options, key)
    for warning in accepted.warnings:
        say(f"warning: {warning}")
    again = "" if accepted.created else " (was submitted before)"
    say(f"workflow {accepted.workflow_id} {accepted.name} {accepted.status}{again}")
    if as_json and not wait:
        print_json(accepted)
    elif not as_json:
        print(accepted.workflow_id, flush=True)
    if wait:
        raise typer.Exit(_wait(client, accepted.workflow_id, timeout_seconds, as_json=as_json))
    say(f"  next: culm workflow watch {accepted.workflow_id}")


def _wait(client: Client, workflow_id: int, seconds: float | None, *, as_json: bool) -> int:
    from culm.cli.outcome import exit_code_of
    from culm.cli.progress import workflows_shown

    with workflows_shown() as show:
        found = client.wait_workflows([workflow_id], seconds, show)
    if as_json:
        print_json(found[0])
    return exit_code_of(view.status for view in found)


def _look(client: Client, options: Chain, *, as_json: bool) -> None:
    found = client.check_workflow(
        options.cwl, options.yaml, out_ds=options.out_ds, directory=options.work_dir
    )
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
