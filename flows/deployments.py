"""prefect.yaml, made from the stages and the table: `python -m flows.deployments > prefect.yaml`.

For installations that let Prefect's workers run the flows instead of `culm daemon`.
"""

from __future__ import annotations

import sys
from typing import Any

import yaml

from flows.cleaning import STAGES
from flows.table import Row, all_rows

POOL = "culm"
SHIFT_MINUTES = 15
SHORTEST_SECONDS = 60
"""A worker starts a flow run after 5-8 s in a process of its own: never for seconds of work."""

HEADER = """\
# Made by `python -m flows.deployments` from flows/stages.py and flows/table.py: do not edit.
#
#   prefect work-pool create culm --type process
#   prefect deploy --all
#   prefect worker start --pool culm
#
# Use either `culm daemon` or these schedules; where both run, leases keep them apart. The
# stages' schedules are off until you switch them on: each is a worker's process that stays.
"""


def document() -> dict[str, Any]:
    """The content of prefect.yaml; watchdogs of installed plugins are in it."""
    deployments = [_stage(name) for name in STAGES] + [_row(row) for row in all_rows()]
    return {"name": "culm", "pull": [], "deployments": deployments}


def text() -> str:
    """prefect.yaml as it should be."""
    body = yaml.safe_dump(document(), sort_keys=False, allow_unicode=True, width=100)
    return f"{HEADER}\n{body}"


def _stage(name: str) -> dict[str, Any]:
    # Back-to-back shifts: one ends as the next is due, and between them it waits for wake-ups.
    schedule = {
        "interval": SHIFT_MINUTES * 60,
        "active": False,
        "parameters": {"minutes": SHIFT_MINUTES},
    }
    return _deployment(name, f"flows.stages.{name}", schedule)


def _row(row: Row) -> dict[str, Any]:
    schedule: dict[str, Any] = {"interval": max(int(row.period_seconds), SHORTEST_SECONDS)}
    if row.period_seconds < SHORTEST_SECONDS:
        schedule["parameters"] = {"for_seconds": SHORTEST_SECONDS - row.period_seconds / 2}
    return _deployment(row.name, f"flows.daemons.{row.name}", schedule)


def _deployment(name: str, entrypoint: str, schedule: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "entrypoint": entrypoint,
        "work_pool": {"name": POOL},
        "schedules": [schedule],
        # A run that overstays is not joined by a second one.
        "concurrency_limit": {"limit": 1, "collision_strategy": "CANCEL_NEW"},
    }


if __name__ == "__main__":
    sys.stdout.write(text())
