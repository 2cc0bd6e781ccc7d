"""`culm why`: what hinders a task or job, and what would help."""

from __future__ import annotations

from typing import Annotated

import typer

from culm.cli.context import client_of
from culm.cli.ids import job_id, task_id
from culm.cli.render import Json, print_json, print_line, print_table, say, when
from culm.core.errors import NotFound
from culm.wire.why import RuleWhy, Why

app = typer.Typer(rich_markup_mode=None)

AllQueues = Annotated[
    bool, typer.Option("--all", help="Also a table of all queues, with what each one says.")
]


@app.command()
def why(
    ctx: typer.Context,
    id_: Annotated[str, typer.Argument(metavar="TASK|JOB", help="A task's or job's id, or last.")],
    is_job: Annotated[
        bool, typer.Option("--job", help="The id is a job's, though a task bears it too.")
    ] = False,
    every: AllQueues = False,
    as_json: Json = False,
) -> None:
    """Say what hinders a task or a job, "never" told from "not yet", and what would help."""
    client = client_of(ctx)
    if is_job:
        found = client.job_why(job_id(client, id_))
    else:
        number = task_id(client, id_)
        try:
            found = client.why(number, queues=every)
        except NotFound:
            found = _of_job(ctx, number)
    show_why(found, every=every, as_json=as_json)


def _of_job(ctx: typer.Context, number: int) -> Why:
    try:
        return client_of(ctx).job_why(number)
    except NotFound as error:
        raise NotFound(f"{number} is neither a task nor a job of yours") from error


def show_why(found: Why, *, every: bool, as_json: bool) -> None:
    """Print an answer: words first, then rules and, if asked for, every queue."""
    if as_json:
        print_json(found)
        return
    print_line(f"{found.noun} {found.id} is {found.status} [{found.verdict}]: {found.summary}")
    for detail in found.details:
        print_line(f"  {detail}")
    for rule in found.rules:
        print_line(f"  {_rule(rule)}")
    for change in found.changes:
        print_line(f"  would help: {change}")
    if every and found.nuclei:
        print_table(
            ("nucleus", "says", "rule", "because"),
            ((n.nucleus, n.verdict, n.rule, n.reason or _weight(n.weight)) for n in found.nuclei),
        )
    if every:
        print_table(
            ("queue", "says", "rule", "because"),
            ((q.queue, q.verdict, q.rule, q.reason or _weight(q.weight)) for q in found.queues),
        )
    elif found.rules:
        say("what each queue says: --all")
    if found.brokered_at and found.cycle:
        say(f"brokered {found.cycle} times, last at {when(found.brokered_at)}")


def _rule(rule: RuleWhy) -> str:
    kind = "for now" if rule.passes else "for good"
    queues = f"{rule.n_queues} queue" + "s" * (rule.n_queues != 1)
    return f"{queues} refuse it {kind} by {rule.rule}, such as {rule.queue}: {rule.reason}"


def _weight(weight: float | None) -> str:
    return "" if weight is None else f"weight {weight:.4g}"
