"""The one table of daemon flows: what runs by the clock, how often, and where at once.

`culm daemon` starts the rows by APScheduler; `prefect.yaml`, made from this table, starts the
same ones by Prefect's schedules. Whichever does, the period counts over all machines. Rows that
installed distributions offer (entry points of group `culm.watchdogs`) join those of the table.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import inf
from types import MappingProxyType
from typing import Any

from culm.core.errors import Misconfigured
from culm.core.plugins import load_plugin, plugins

GROUP = "culm.watchdogs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One function that runs by the clock.

    `words` say what it is for. The function takes the books and `arguments`, and gives one line
    about what it did, empty if there was nothing to do. `sync`: one machine at a time, and one
    run a period over all of them; otherwise each daemon runs it for itself. `loop`: called again
    at once while it finds something to do, until its period is over. `of_prefect`: it looks after
    Prefect's own database, so a daemon without Prefect leaves it out.
    """

    name: str
    words: str
    function: str
    period_seconds: float
    sync: bool = True
    loop: bool = False
    of_prefect: bool = False
    arguments: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def load(self) -> Callable[..., str]:
        """The function, imported now."""
        module, _, name = self.function.partition(":")
        function: Callable[..., str] = getattr(importlib.import_module(module), name)
        return function


TABLE = (
    Row(
        name="lost_jobs",
        words="Jobs whose pilot is not heard of any more fail, and their input goes back.",
        function="tasks.stages.watchdogs:lost_jobs",
        period_seconds=10,
    ),
    Row(
        name="send_notices",
        words="Owners are told by mail or webhook that their tasks have ended.",
        function="tasks.notices.sending:send_notices",
        period_seconds=5,
        loop=True,
    ),
    Row(
        name="forget_notices",
        words="Notices that were sent or given up a month ago are forgotten.",
        function="tasks.notices.sending:forget_notices",
        period_seconds=86_400,
    ),
    Row(
        name="quiet_jobs",
        words="Jobs that waited or ran for too long are brokered again or fail.",
        function="tasks.stages.timeouts:quiet_jobs",
        period_seconds=300,
    ),
    Row(
        name="rest_black_holes",
        words="Queues and nodes that fail jobs fast, while others do not, get no work for a while.",
        function="tasks.stages.rests:rest_black_holes",
        period_seconds=60,
    ),
    Row(
        name="gone_pilots",
        words="Pilots that were silent for long and have no job are signed off.",
        function="tasks.stages.watchdogs:gone_pilots",
        period_seconds=60,
    ),
    Row(
        name="clean_up",
        words="Leases of owners that died long ago are removed.",
        function="tasks.stages.watchdogs:clean_up",
        period_seconds=600,
    ),
    Row(
        name="drop_unmerged",
        words="Unmerged files leave our storage once they are merged, or never will be.",
        function="tasks.stages.unmerged:drop_unmerged",
        period_seconds=600,
    ),
    Row(
        name="configurator",
        words="Sites, queues, storage and links are taken over from the document of a setting.",
        function="flows.configuring:configurator",
        period_seconds=200,
    ),
    Row(
        name="queue_statistics",
        words="It is counted what is at each queue, what ran there and who was heard from.",
        function="tasks.stages.queue_statistics:queue_statistics",
        period_seconds=60,
    ),
    Row(
        name="rebroker",
        words="Jobs that wait too long, or at a closed queue, are sent elsewhere.",
        function="tasks.stages.rebrokerage:rebroker_waiting",
        period_seconds=600,
    ),
    Row(
        name="rebind",
        words="Jobs that were bound and did not start are bound anew where a slot is free.",
        function="tasks.stages.rebinding:rebind_waiting",
        period_seconds=60,
    ),
    Row(
        name="count_shares",
        words="Jobs and computing power are counted by share, resource type and queue.",
        function="tasks.stages.share_counts:count_shares",
        period_seconds=60,
    ),
    Row(
        name="throttler",
        words="Throttled tasks go on when enough of what their share had queued has run.",
        function="tasks.stages.throttle:throttler",
        period_seconds=60,
    ),
    Row(
        name="age_priorities",
        words="Priorities of waiting jobs rise, so that nothing starves.",
        function="tasks.stages.priorities:age_priorities",
        period_seconds=1200,
    ),
    Row(
        name="update_locality",
        words="It is looked up where the input of living tasks is.",
        function="tasks.stages.locality:update_locality",
        period_seconds=43_200,
    ),
    Row(
        name="queue_filler",
        words="Empty queues get suitable tasks pre-assigned until they are empty no more.",
        function="tasks.stages.queue_filler:queue_filler",
        period_seconds=600,
    ),
    Row(
        name="task_withholder",
        words="Tasks whose input is only where all is busy or offline wait, pending.",
        function="tasks.stages.task_withholder:task_withholder",
        period_seconds=1800,
    ),
    Row(
        name="fast_rebrokerage",
        words="Where too many jobs of a share wait at one queue, they go back to brokerage.",
        function="tasks.stages.fast_rebrokerage:fast_rebrokerage",
        period_seconds=600,
    ),
    Row(
        name="pilot_streaming",
        words="It is worked out how many workers of each kind every queue should get next.",
        function="tasks.stages.pilot_streaming:pilot_streaming",
        period_seconds=120,
    ),
    Row(
        name="clean_flow_runs",
        words="Flow runs of ours that ended days ago are deleted from Prefect's database.",
        function="flows.cleaning:clean_flow_runs",
        of_prefect=True,
        period_seconds=3600,
        arguments=MappingProxyType({"keep_days": 7.0}),
    ),
    Row(
        name="end_lost_shifts",
        words="Shifts whose daemon died are marked so in Prefect: they would run forever there.",
        function="flows.cleaning:end_lost_shifts",
        of_prefect=True,
        period_seconds=600,
        arguments=MappingProxyType({"silent_minutes": 60.0}),
    ),
)

ROWS = {row.name: row for row in TABLE}


def all_rows() -> tuple[Row, ...]:
    """The table, then the rows of plugins by name.

    Raises:
        Misconfigured: a plugin is no row, has a name that is taken, or a function that cannot
            be loaded: better now than every time it is due.
    """
    from tasks.stages import STAGES

    taken = {*ROWS, *STAGES, "watchdogs"}
    rows = list(TABLE)
    for name in sorted(plugins(GROUP)):
        row = _offered(name)
        if row.name in taken:
            raise _no_watchdog(name, f"another flow is named {row.name} too")
        taken.add(row.name)
        rows.append(row)
    return tuple(rows)


def _offered(name: str) -> Row:
    row = load_plugin(GROUP, name)
    if not isinstance(row, Row):
        raise _no_watchdog(name, f"it is a {type(row).__name__}, a flows.table.Row is needed")
    if not row.name.isidentifier():
        raise _no_watchdog(name, f"its name {row.name!r} is no identifier")
    if not 0 < row.period_seconds < inf:
        raise _no_watchdog(name, f"its period is {row.period_seconds:g} s, more than 0 is needed")
    try:
        row.load()
    except (ImportError, AttributeError, ValueError) as error:
        raise _no_watchdog(name, f"{row.function} cannot be loaded: {error}") from error
    return row


def _no_watchdog(name: str, why: str) -> Misconfigured:
    return Misconfigured(f"plugin {name} of group {GROUP}: {why}",
                         hint="mend it, or uninstall it")  # fmt: skip
