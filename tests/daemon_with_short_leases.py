"""`culm daemon` with leases of so many seconds: tests that kill one need not wait for long."""

from __future__ import annotations

import sys
from dataclasses import replace

from tasks.stages import STAGES

if __name__ == "__main__":
    seconds, *arguments = sys.argv[1:]
    for name, stage in STAGES.items():
        STAGES[name] = replace(stage, lease_seconds=float(seconds))

    from flows.command import app

    app(arguments)
