"""What it costs a payload to be shut in: the time from its start to its end, with and without.

python -m bench.isolation [number of starts]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from pilot.isolation import Isolation, Mode
from pilot.launch import shell
from pilot.workdir import JobDirectory


def main(n_starts: int) -> None:
    """Print medians, in milliseconds, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        work.mkdir()
        isolation = Isolation.of(Mode.REQUIRED, [Path(folder)])
        words = isolation.words(JobDirectory(work), ())
        plain = _milliseconds(shell("true"), work, n_starts)
        shut_in = _milliseconds((*words, *shell("true")), work, n_starts)
    print(json.dumps({"plain_ms": plain, "shut_in_ms": shut_in, "n_starts": n_starts}))


def _milliseconds(words: Sequence[str], work: Path, n_starts: int) -> float:
    took = []
    for _ in range(n_starts):
        started = time.perf_counter()
        subprocess.Popen(words, cwd=work, env=os.environ, start_new_session=True).wait()
        took.append(1000 * (time.perf_counter() - started))
    return round(median(took), 2)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
