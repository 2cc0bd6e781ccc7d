"""Every row of the table as a Prefect flow, and the flow that is the watchdogs' shift.

Inside `culm daemon` a run of a row is a task run of the watchdogs' shift, not a flow run: at one
every ten seconds, flow runs would cost more than the work. A worker starts these flows instead.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from prefect import Flow, flow

from flows.duty import DUTY
from flows.flow_options import OPTIONS
from flows.prefect_recorder import PrefectRecorder
from flows.roster import NAME
from flows.run_names import stage_run_name
from flows.table import ROWS, Row, all_rows
from flows.turns import run_row
from flows.workplace import our_workplace

NOTHING = "nothing to do, or another machine's turn"


@flow(name=NAME, flow_run_name=stage_run_name, **OPTIONS)
async def watchdogs() -> None:
    """A shift of the daemon's watchdogs; each run of a row is a task run in it."""
    duty = DUTY.get()
    if duty is None:
        raise RuntimeError("the watchdogs' shifts are held by `culm daemon`; run a row instead")
    await duty.body()


async def run(row: Row, for_seconds: float) -> str:
    """Run a row once, or every period for so long; gives the last line about what it did."""
    place, recorder = our_workplace(), PrefectRecorder()
    end = time.monotonic() + for_seconds

    async def work() -> str:
        return await asyncio.to_thread(run_row, row, place.books, place.owner)

    words = await recorder.record(row.name, row.name, work)
    while time.monotonic() + row.period_seconds < end:
        await asyncio.sleep(row.period_seconds)
        words = await recorder.record(row.name, row.name, work) or words
    return words or NOTHING


def _flow_of(row: Row) -> Flow[..., Any]:
    @flow(
        name=row.name,
        description=row.words,
        flow_run_name=stage_run_name,
        **OPTIONS,
    )
    async def run_the_row(for_seconds: float = 0.0) -> str:
        return await run(row, for_seconds)

    return run_the_row


lost_jobs = _flow_of(ROWS["lost_jobs"])
send_notices = _flow_of(ROWS["send_notices"])
forget_notices = _flow_of(ROWS["forget_notices"])
quiet_jobs = _flow_of(ROWS["quiet_jobs"])
rest_black_holes = _flow_of(ROWS["rest_black_holes"])
gone_pilots = _flow_of(ROWS["gone_pilots"])
clean_up = _flow_of(ROWS["clean_up"])
drop_unmerged = _flow_of(ROWS["drop_unmerged"])
configurator = _flow_of(ROWS["configurator"])
queue_statistics = _flow_of(ROWS["queue_statistics"])
rebroker = _flow_of(ROWS["rebroker"])
rebind = _flow_of(ROWS["rebind"])
count_shares = _flow_of(ROWS["count_shares"])
throttler = _flow_of(ROWS["throttler"])
age_priorities = _flow_of(ROWS["age_priorities"])
update_locality = _flow_of(ROWS["update_locality"])
queue_filler = _flow_of(ROWS["queue_filler"])
task_withholder = _flow_of(ROWS["task_withholder"])
fast_rebrokerage = _flow_of(ROWS["fast_rebrokerage"])
pilot_streaming = _flow_of(ROWS["pilot_streaming"])
clean_flow_runs = _flow_of(ROWS["clean_flow_runs"])
end_lost_shifts = _flow_of(ROWS["end_lost_shifts"])

DAEMON_FLOWS = {
    each.name: each
    for each in (
        lost_jobs, send_notices, forget_notices, quiet_jobs, rest_black_holes, gone_pilots,
        clean_up, drop_unmerged, configurator, queue_statistics, rebroker, rebind, count_shares,
        throttler, age_priorities, update_locality, queue_filler, task_withholder,
        fast_rebrokerage, pilot_streaming,
        clean_flow_runs, end_lost_shifts,
    )
}  # fmt: skip


def __getattr__(name: str) -> Flow[..., Any]:
    """The flow of a plugin's row: a worker finds it by this module's name, as it does ours."""
    for row in all_rows():
        if row.name == name:
            return _flow_of(row)
    raise AttributeError(f"module {__name__} has no attribute {name}")
