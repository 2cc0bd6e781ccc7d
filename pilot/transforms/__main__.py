"""The program that PanDA's pilot fetches and runs: `./runGen-00-00-02 …`."""

from __future__ import annotations

import sys
from pathlib import Path

from pilot.transforms.course import run_job
from pilot.transforms.orders import orders_of

if __name__ == "__main__":
    HERE = Path.cwd()
    sys.exit(run_job(orders_of(Path(sys.argv[0]).name, sys.argv[1:], HERE), HERE))
