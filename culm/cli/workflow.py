"""`culm workflow`: list, show, wait for, steer workflows."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from culm.cli.asking import Yes, confirm
from culm.cli.context import client_of
from culm.cli.graph_labels import counted, counts_of, marks_of, status_of
from culm.cli.graph_rails import drawn as rails
from culm.cli.ids import WorkflowId, WorkflowIds, workflow_id, workflow_ids
from culm.cli.lists import Most, Named, Status, Timeout, Whose, say_if_cut
from culm.cli.outcome import act_on, exit_code_of, report
from culm.cli.render import (
    STYLES,
    Json,
    print_fields,
    print_history,
    print_json,
    print_table,
    safe,
    say,
    when,
)
from culm.client import Client
from culm.core.units import parse_duration
from culm.wire.codec import encode
from culm.wire.views import CommandRequest
from culm.wire.workflow_runs import StepView, WorkflowGraph, WorkflowView

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="List and steer workflows.")

Reason = Annotated[str, typer.Option(help="Kept in the workflow's history.")]
_COLUMNS = ("id", "status", "steps", "user", "created", "name")
STEPS_SHOWN = 60


@app.command("list")
def list_(
    ctx: typer.Context,
    status: Status = None,
    user: Whose = "me",
    name: Named = None,
    limit: Most = 50,
    as_json: Json = False,
) -> None:
    """List workflows, newest first."""
    found = list(client_of(ctx).workflows(status or (), user, name, limit))
    if as_json:
        print_json(found)
        return
    print_table(_COLUMNS, map(_row, found))
    say_if_cut(len(found), limit)


def _row(view: WorkflowView) -> tuple[object, ...]:
    steps = f"{view.step_counts.get('done', 0)}/{sum(view.step_counts.values())}"
    return view.workflow_id, view.status, steps, view.user, when(view.created_at), view.name


@app.command()
def show(
    ctx: typer.Context,
    id_: WorkflowId,
    all_: Annotated[bool, typer.Option("--all", help="Every step, however many.")] = False,
    as_json: Json = False,
) -> None:
    """Show a workflow: its graph, its steps with their tasks, and what went wrong."""
    client = client_of(ctx)
    number = workflow_id(client, id_)
    found, steps = client.workflow(number), list(client.steps(number))
    drawn = client.workflow_graph(number)
    if as_json:
        print_json(encode(found) | {"steps": encode(steps), "graph": encode(drawn)})
        return
    _print_workflow(found, steps, drawn, len(steps) if all_ else STEPS_SHOWN)


def show_one(client: Client, number: int) -> None:
    """Print a workflow: its graph, its first steps with their tasks, and what went wrong."""
    found, steps = client.workflow(number), list(client.steps(number))
    _print_workflow(found, steps, client.workflow_graph(number), STEPS_SHOWN)


def _print_workflow(
    found: WorkflowView, steps: list[StepView], drawn: WorkflowGraph, most: int
) -> None:
    print_fields(_fields(found))
    print()
    print_graph(drawn)
    print()
    _print_steps(steps, most)


def _fields(view: WorkflowView) -> list[tuple[str, object]]:
    return [
        ("workflow", view.workflow_id),
        ("name", view.name),
        ("user", view.user),
        ("status", view.status),
        ("reason", view.reason),
        ("steps", counted(view.step_counts)),
        ("round", view.round if view.round > 1 else ""),
        *(
            (f"output {name}", _value(value))
            for name, value in view.outputs.items()
            if value is not None
        ),
        ("created", when(view.created_at)),
        ("started", when(view.started_at)),
        ("changed", when(view.modified_at)),
        ("ended", when(view.ended_at)),
    ]


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


_STEP_COLUMNS = ("step", "where", "status", "task", "reason")


def _print_steps(steps: list[StepView], most: int) -> None:
    """The steps; of many, those that failed and the newest."""
    bad = [step for step in steps if step.status in ("failed", "aborted")]
    newest = steps[max(0, len(steps) - most + len(bad)) :]
    few = steps if len(steps) <= most else [*bad[:most], *newest]
    shown = {step.step_id: step for step in few}
    print_table(_STEP_COLUMNS, map(_step_row, shown.values()))
    if len(steps) > most:
        say(f"{len(steps) - len(shown)} more steps: culm workflow show --all, or --json")


def _step_row(step: StepView) -> tuple[object, ...]:
    return step.instance, step.path, step.status, step.task_id, step.reason or _decided(step)


def _decided(step: StepView) -> str:
    return f"decided {json.dumps(step.decision)}" if step.decision else ""


@app.command("steps")
def steps_(
    ctx: typer.Context, id_: WorkflowId, status: Status = None, as_json: Json = False
) -> None:
    """List every instance of a workflow's steps, with its task and, if it failed, the reason."""
    client = client_of(ctx)
    found = list(client.steps(workflow_id(client, id_), status or ()))
    if as_json:
        print_json(found)
    else:
        print_table(_STEP_COLUMNS, map(_step_row, found))


@app.command()
def graph(
    ctx: typer.Context,
    id_: WorkflowId,
    svg: Annotated[Path | None, typer.Option(help="Write a picture to this file.")] = None,
    as_json: Json = False,
) -> None:
    """Draw a workflow's graph: in the terminal, or as an SVG picture."""
    client = client_of(ctx)
    number = workflow_id(client, id_)
    drawn = client.workflow_graph(number)
    if svg is not None:
        from culm.cli.graph_svg import picture

        view = client.workflow(number)
        svg.write_text(picture(f"{view.name} ({view.status})", drawn), encoding="utf-8")
        say(f"written to {svg}")
    if as_json:
        print_json(drawn)
    elif svg is None:
        print_graph(drawn)


def print_graph(drawn: WorkflowGraph) -> None:
    """Print the graph, a line a step, with rails from parents to children."""
    from rich.console import Console
    from rich.text import Text

    nodes = {node.path: node for node in drawn.nodes}
    console = Console(highlight=False, soft_wrap=True)
    for line in rails(list(nodes), drawn.edges):
        text = Text(line.rails)
        if line.node:
            node = nodes[line.node]
            marks = marks_of(node)
            text.append(f" {safe(line.node)}{' ' * bool(marks)}{marks} ")
            text.append(f"{counts_of(node)}", style=STYLES.get(status_of(node), "dim"))
        console.print(text)


@app.command()
def wait(
    ctx: typer.Context, ids: WorkflowIds, timeout: Timeout = None, as_json: Json = False
) -> None:
    """Wait until workflows have ended. Exit code 0: all done, 7: partly, 1: failed, 124: late."""
    found = _followed(ctx, ids, timeout)
    if as_json:
        print_json(found)
    else:
        print_table(_COLUMNS, map(_row, found))
    raise typer.Exit(exit_code_of(view.status for view in found))


@app.command()
def watch(ctx: typer.Context, ids: WorkflowIds, timeout: Timeout = None) -> None:
    """Show workflows and the moves of their steps live, until they have ended; exit code 0."""
    _followed(ctx, ids, timeout)


def _followed(ctx: typer.Context, ids: list[str], timeout: str | None) -> list[WorkflowView]:
    from culm.cli.progress import workflows_shown

    client = client_of(ctx)
    seconds = parse_duration(timeout) if timeout else None
    numbers = workflow_ids(client, ids)
    with workflows_shown() as tell:
        return client.wait_workflows(numbers, seconds, tell)


@app.command()
def history(ctx: typer.Context, id_: WorkflowId, as_json: Json = False) -> None:
    """Show every move of a workflow's status: when, who, why."""
    client = client_of(ctx)
    print_history(client.workflow_history(workflow_id(client, id_)), as_json=as_json)


@app.command()
def kill(
    ctx: typer.Context,
    ids: WorkflowIds,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Stop workflows and all of their tasks at once."""
    _command(ctx, ids, CommandRequest(command="kill", reason=reason), yes=yes, as_json=as_json)


@app.command()
def finish(
    ctx: typer.Context,
    ids: WorkflowIds,
    soft: Annotated[bool, typer.Option("--soft", help="Let jobs that run come to an end.")] = False,
    reason: Reason = "",
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """End workflows early and keep what is done: no step starts any more."""
    order = CommandRequest(command="finish", soft=soft, reason=reason)
    _command(ctx, ids, order, yes=yes, as_json=as_json)


@app.command()
def retry(ctx: typer.Context, ids: WorkflowIds, reason: Reason = "", as_json: Json = False) -> None:
    """Try again what did not succeed, and what follows from it."""
    _command(ctx, ids, CommandRequest(command="retry", reason=reason), as_json=as_json)


@app.command()
def pause(ctx: typer.Context, ids: WorkflowIds, reason: Reason = "", as_json: Json = False) -> None:
    """Start no more steps, and pause the tasks, until resumed."""
    _command(ctx, ids, CommandRequest(command="pause", reason=reason), as_json=as_json)


@app.command()
def resume(
    ctx: typer.Context, ids: WorkflowIds, reason: Reason = "", as_json: Json = False
) -> None:
    """Go on with paused workflows."""
    _command(ctx, ids, CommandRequest(command="resume", reason=reason), as_json=as_json)


def _command(
    ctx: typer.Context, ids: list[str], order: CommandRequest, *, as_json: bool, yes: bool = True
) -> None:
    client = client_of(ctx)
    numbers = workflow_ids(client, ids)
    if not yes:
        confirm(f"{order.command} {len(numbers)} workflow{'s' * (len(numbers) > 1)}",
                _touched(client, numbers), yes=yes)  # fmt: skip
    acts = act_on(numbers, lambda number: client.command_workflow(number, order).message)
    raise typer.Exit(report(acts, as_json=as_json))


def _touched(client: Client, numbers: Iterable[int]) -> list[str]:
    return [f"{view.workflow_id} {view.name} ({view.status})"
            for view in map(client.workflow, numbers)]  # fmt: skip
