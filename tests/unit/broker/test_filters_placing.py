"""Who is wanted where: PanDA documentation 12.1, steps 1 and 2."""

from __future__ import annotations

from typing import Any

import pytest

from broker.filters import placing
from broker.rules import Rule
from tests.unit.broker.scene import a_demand, a_queue, a_view

DAY = 86_400


def reason(rule: Rule, demand: dict[str, Any], queue: dict[str, Any]) -> str:
    """Why the rule refuses the queue, as ranking would ask it; empty if it does not."""
    asked, offered, view = a_demand(**demand), a_queue(**queue), a_view()
    if not (rule.concerns(asked, view.thresholds) and rule.applies(offered)):
        return ""
    found = rule.refuse(asked, offered, view)
    return "" if found is None else found.reason


SENT = {"preassigned_queues": frozenset({"CERN", "BNL"})}


@pytest.mark.parametrize(
    ("rule", "demand", "queue", "words"),
    [
        # 1: candidates
        (placing.pinned, {}, {}, ""),
        (placing.pinned, {"site": "CERN"}, {}, ""),
        (placing.pinned, {"site": "CERN-T0"}, {}, ""),
        (placing.pinned, {"site": "BNL"}, {}, "the task asks for BNL"),
        (placing.excluded, {"excluded_sites": frozenset({"BNL"})}, {}, ""),
        (placing.excluded, {"excluded_sites": frozenset({"CERN"})}, {}, "the task excludes CERN"),
        (placing.excluded, {"excluded_sites": frozenset({"CERN", "CERN-T0"})}, {},
         "the task excludes CERN, CERN-T0"),
        (placing.build_failed, {"failed_builds": {"BNL": "no compiler"}}, {}, ""),
        (placing.build_failed, {"failed_builds": {"CERN-T0": "no compiler"}}, {"name": "CERN-T0"},
         "no compiler"),
        (placing.test_queue, {}, {"name": "CERN_Test"}, "it is a test queue"),
        (placing.test_queue, {"site": "CERN_Test"}, {"name": "CERN_Test"}, ""),
        (placing.test_queue, {"preassigned_queues": frozenset({"A_TEST"})}, {"name": "A_TEST"}, ""),
        (placing.test_queue, {}, {}, ""),
        (placing.preassigned, SENT, {}, ""),
        (placing.preassigned, SENT, {"name": "RAL"}, "the jobs were pre-assigned to BNL, CERN"),
        (placing.preassigned, SENT | {"preassigned_skipped_seconds": 2 * DAY}, {"name": "RAL"},
         "the jobs were pre-assigned to BNL, CERN"),
        # merge jobs: ignored once the queue was skipped for 24 h
        (placing.preassigned, SENT | {"is_merge": True, "preassigned_skipped_seconds": DAY - 1},
         {"name": "RAL"}, "the jobs were pre-assigned to BNL, CERN"),
        (placing.preassigned, SENT | {"is_merge": True, "preassigned_skipped_seconds": DAY},
         {"name": "RAL"}, ""),
        # 2: status
        (placing.online, {}, {"status": "online"}, ""),
        *((placing.online, {}, {"status": status}, f"it is {status}")
          for status in ("offline", "test", "brokeroff", "paused")),
        (placing.online, SENT, {"status": "offline"}, ""),
        (placing.online, SENT | {"is_merge": True, "preassigned_skipped_seconds": DAY},
         {"status": "offline"}, "it is offline"),
        # 4: priority 800 or scouts: the nucleus's queues
        (placing.nucleus_first, {"is_scout": True, "nucleus": "BNL"}, {},
         "scouts go to queues of the nucleus BNL only"),
        (placing.nucleus_first, {"priority": 800, "nucleus": "BNL"}, {},
         "jobs of priority 800 go to queues of the nucleus BNL only"),
        (placing.nucleus_first, {"priority": 799, "nucleus": "BNL"}, {}, ""),
        (placing.nucleus_first, {"priority": 800, "nucleus": "CERN-T0"}, {}, ""),
        (placing.nucleus_first, {"priority": 800}, {}, ""),
        # 6: zero share
        (placing.zero_share, {"processing_type": "evgen"},
         {"fair_share_policy": "type=evgensimul:100%"}, ""),
        (placing.zero_share, {"processing_type": "pile"},
         {"fair_share_policy": "type=evgensimul:100%"},
         "its fair-share policy type=evgensimul:100% has nothing for such jobs"),
        (placing.zero_share, {}, {"fair_share_policy": "type=evgen"},
         "its fair-share policy: 'type=evgen' cannot be read"),
        # 20: t1Weight = -1
        (placing.nucleus_only, {"nucleus_only": True, "nucleus": "BNL"}, {},
         "the task runs at its nucleus BNL only"),
        (placing.nucleus_only, {"nucleus_only": True, "nucleus": "CERN-T0"}, {}, ""),
        (placing.nucleus_only, {"nucleus_only": True, "nucleus": "BNL", "is_merge": True}, {}, ""),
        (placing.nucleus_only, {"nucleus_only": True}, {}, ""),
    ],
)  # fmt: skip
def test_placing(rule: Rule, demand: dict[str, Any], queue: dict[str, Any], words: str) -> None:
    assert reason(rule, demand, queue) == words
