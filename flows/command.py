"""`culm daemon`: the agents of the stages and the watchdogs, in this process, until stopped."""

from __future__ import annotations

from typing import Annotated

import typer

from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.core.settings import load_settings
from flows.process import Orders, run_process
from flows.roster import NAME as WATCHDOGS
from flows.shift import Hours
from tasks.stages import STAGES

app = typer.Typer(rich_markup_mode=None)


@app.command()
def daemon(  # each is an option of the command line
    stages: Annotated[
        str, typer.Option(help="Only these agents, with commas between; `watchdogs` is one.")
    ] = "",
    without_prefect: Annotated[
        bool, typer.Option("--without-prefect", help="Record nothing in Prefect.")
    ] = False,
    shift_minutes: Annotated[float, typer.Option(min=0.05, help="How long a shift lasts.")] = 15.0,
    once: Annotated[bool, typer.Option("--once", help="Until nothing is ready, then end.")] = False,
    wait_for_prefect: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for Prefect's server before work begins.")
    ] = 0.0,
    log_level: Annotated[str | None, typer.Option(help="DEBUG, INFO, WARNING, ERROR.")] = None,
) -> None:
    """Work on tasks until stopped (SIGTERM, Ctrl-C). Any number of daemons share the work."""
    settings = load_settings({"log_level": log_level})
    orders = Orders(
        names=chosen(stages, once),
        with_prefect=not without_prefect,
        hours=Hours(minutes=shift_minutes),
        once=once,
        wait_for_prefect_seconds=wait_for_prefect,
    )
    run_process(settings, orders)


def chosen(stages: str, once: bool = False) -> list[str]:
    """The agents that a list with commas names; all of them if it is empty.

    Raises:
        InvalidRequest: a name is unknown.
    """
    known = [*STAGES, WATCHDOGS]
    wanted = [name.strip() for name in stages.split(",") if name.strip()]
    faults = [
        FieldFault("stages", repr(name), unknown_name(name, known))
        for name in wanted
        if name not in known
    ]
    if faults:
        raise InvalidRequest(f"no such agents: {stages}", faults=faults)
    default = list(STAGES) if once else known
    return list(dict.fromkeys(wanted)) or default
