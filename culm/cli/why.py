"""`culm why`: what keeps a task or a job from going on, and what would help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from culm.cli.context import client_of
from culm.cli.ids import TaskId, task_id
from culm.cli.render import Json, print_fields, print_json, print_table, say
from culm.client import Client
from culm.core.errors import NotFound
from culm.core.ids import FIRST_TASK_ID
from culm.wire.why import JobWhy, TaskWhy

app = typer.Typer(rich_markup_mode=None)
All = Annotated[bool, typer.Option("--all", help="A task: the table of queues and reasons too.")]


@app.command()
def why(ctx: typer.Context, id_: TaskId, all_: All = False, as_json: Json = False) -> None:
    """Say what hinders a task or a job, whether waiting helps, and what else would.

    Numbers from 10000001 on are tasks where there is such a task, others are jobs.
    """
    client = client_of(ctx)
    number = task_id(client, id_)
    found = _found(client, number)
    if as_json:
        print_json(found)
        return
    print_fields(_fields(found))
    if isinstance(found, TaskWhy):
        if found.rules:
            print_table(("rule", "queues", "may pass", "for example"),
                        ((r.rule, r.n_queues, "yes" if r.passes else "no", r.example)
                         for r in found.rules))  # fmt: skip
        if all_:
            print_decision(client, number)


def _found(client: Client, number: int) -> TaskWhy | JobWhy:
    if number < FIRST_TASK_ID:
        return client.why_job(number)
    try:
        return client.why_task(number)
    except NotFound as error:
        try:
            return client.why_job(number)
        except NotFound:
            raise error from None


def _fields(found: TaskWhy | JobWhy) -> Iterator[tuple[str, object]]:
    if isinstance(found, JobWhy):
        yield "job", f"{found.job_id} of task {found.task_id}, at {found.queue}"
        yield "status", found.status
        yield "why", found.summary
        return
    yield "task", found.task_id
    yield "status", found.status
    yield "why", found.summary
    if found.verdict:
        yield "brokerage", f"{found.verdict}: {found.brokerage}"
    for change in found.changes:
        yield "would help", change
    for at in found.jobs:
        yield "jobs", f"{at.n_jobs} {at.status} at {at.queue}"


def print_decision(client: Client, number: int) -> None:
    """Print the latest brokerage of a task: queues by rank, then those rejected and why."""
    try:
        found = client.decision(number)
    except NotFound as error:
        say(error.message)
        return
    rows: list[tuple[object, ...]] = [
        (rank, line.get("queue", ""), "", f"weight {line.get('weight', 0):.4g}")
        for rank, line in enumerate(found.ranking, 1)
    ]
    rows += [
        ("-", line.get("queue", ""), line.get("rule", ""), line.get("reason", ""))
        for line in found.rejections
    ]
    print_table(("rank", "queue", "rule", "because"), rows)
