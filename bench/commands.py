"""What commands cost, start included: against `python -c pass`, on an installation of its own.

python -m bench.commands --tasks 100 --times 15
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.ours import Ours, installation
from culm.wire.task_spec import TaskSpec

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("--help",), ("prun", "--help"), ("pathena", "--help"), ("sequence", "--help"),
    ("task", "list"), ("book", "-c", "show()"), ("whoami",), ("notify", "list"),
    ("prun", "--exec", "true", "--noSandbox", "--check"),
)  # fmt: skip


def seconds(argv: Sequence[str], ours: Ours, times: int) -> float:
    """The median time of a command, of so many runs; one before them warms the disk's cache."""
    found = []
    for _ in range(times + 1):
        began = time.perf_counter()
        done = subprocess.run(
            argv, env=ours.processes.environment, cwd=ours.folder, capture_output=True, check=False
        )
        found.append(time.perf_counter() - began)
        if done.returncode:
            raise RuntimeError(f"{' '.join(argv)}: {done.stderr.decode()[-2000:]}")
    return statistics.median(found[1:])


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100, help="tasks that are listed")
    parser.add_argument("--times", type=int, default=15, help="runs of each command")
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="culm-bench-") as folder,
        installation(Path(folder), None) as ours,
    ):
        for _ in range(asked.tasks):
            ours.client.submit(TaskSpec(name=ours.task_name(), command="true"))
        floor = seconds([sys.executable, "-c", "pass"], ours, asked.times)
        print(f"{'python -c pass':30} {floor:6.3f} s")
        for words in COMMANDS:
            took = seconds([sys.executable, "-m", "culm", *words], ours, asked.times)
            print(f"{'culm ' + ' '.join(words)[:24]:30} {took:6.3f} s {took / floor:6.1f} x")


if __name__ == "__main__":
    main()
