"""What is at the queue: PanDA documentation 12.1, steps 2 and 4."""

from __future__ import annotations

from typing import Any

import pytest

from broker.filters import state
from broker.ledger import Ledger
from broker.rules import Rule
from broker.values import InputAt
from tests.unit.broker.scene import a_demand, a_queue, a_view

HOUR = 3600
SCOUT = {"is_scout": True}
IDLE = "it has activated jobs and started none for 2 h"


@pytest.mark.parametrize(
    ("rule", "demand", "queue", "words"),
    [
        # 5: no job started in 2 h although activated jobs were there
        (state.inactive, SCOUT, {"n_activated": 1, "last_start_seconds_ago": 2 * HOUR}, ""),
        (state.inactive, SCOUT, {"n_activated": 1, "last_start_seconds_ago": 2 * HOUR + 1}, IDLE),
        (state.inactive, SCOUT, {"n_activated": 1}, IDLE),
        (state.inactive, SCOUT, {"n_activated": 0}, ""),
        (state.inactive, SCOUT, {"n_activated": 1, "last_start_seconds_ago": -5}, ""),
        (state.inactive, {"is_merge": True}, {"n_activated": 1}, IDLE),
        (state.inactive, {"is_premerge": True}, {"n_activated": 1}, IDLE),
        (state.inactive, {"priority": 800}, {"n_activated": 1}, IDLE),
        (state.inactive, {"priority": 799}, {"n_activated": 1}, ""),
        # 19: transferring > max(2000 or the queue's own limit, 2 × running)
        (state.transferring, {}, {"n_transferring": 2001},
         "2001 of its jobs are in transfer, the limit is 2000"),
        (state.transferring, {}, {"n_transferring": 2000}, ""),
        (state.transferring, {}, {"n_transferring": 2001, "n_running": 1001}, ""),
        (state.transferring, {}, {"n_transferring": 11, "transferring_limit": 10},
         "11 of its jobs are in transfer, the limit is 10"),
        # 21: no pilot for 3 h
        (state.no_pilot, {}, {"last_pilot_seconds_ago": 3 * HOUR}, ""),
        (state.no_pilot, {}, {"last_pilot_seconds_ago": 4 * HOUR},
         "no pilot was heard from for 4 h"),
        (state.no_pilot, {}, {"last_pilot_seconds_ago": None}, "no pilot was heard from ever"),
        (state.no_pilot, {}, {"last_pilot_seconds_ago": -60}, ""),
        # step 4: activated + starting > 2 × running, for at least 20 running
        (state.many_activated, {}, {"n_running": 50, "n_activated": 60, "n_starting": 41},
         "101 jobs ready to run there already, for what runs there 100 are enough"),
        (state.many_activated, {}, {"n_running": 50, "n_activated": 60, "n_starting": 40}, ""),
        (state.many_activated, {}, {"n_activated": 40}, ""),
        (state.many_activated, {}, {"n_activated": 41},
         "41 jobs ready to run there already, for what runs there 40 are enough"),
        # step 4: all queued > 2 × running
        (state.many_queued, {}, {"n_running": 50, "n_defined": 50, "n_activated": 50}, ""),
        (state.many_queued, {}, {"n_running": 50, "n_defined": 51, "n_activated": 50},
         "101 jobs waiting there already, for what runs there 100 are enough"),
        # jobs that wait for input count unless the demand's own is there
        (state.many_queued, {"n_input_files": 1}, {"n_assigned": 41},
         "41 jobs waiting there already, for what runs there 40 are enough"),
        (state.many_queued,
         {"n_input_files": 1, "input_at": {"CERN-T0": InputAt(n_files=1)}}, {"n_assigned": 41}, ""),
        # slots that the queue declares count as running
        (state.many_queued, {}, {"n_slots": 100, "n_defined": 200}, ""),
    ],
)  # fmt: skip
def test_state(rule: Rule, demand: dict[str, Any], queue: dict[str, Any], words: str) -> None:
    asked, offered, view = a_demand(**demand), a_queue(**queue), a_view()
    concerned = rule.concerns(asked, view.thresholds) and rule.applies(offered)
    found = rule.refuse(asked, offered, view) if concerned else None
    assert ("" if found is None else found.reason) == words


def test_jobs_that_were_just_sent_count_as_queued() -> None:
    ledger = Ledger()
    ledger.note("CERN", 41, at_seconds=0)
    assert state.many_queued.refuse(a_demand(), a_queue(), a_view(ledger=ledger)) is not None
