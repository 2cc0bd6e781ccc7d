"""The user's command, run in the work directory; nothing of it is left alive at its end."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pilot.transforms.containers import in_image

_SECRETS = ("OIDC_", "PANDA_AUTH", "PILOT_", "HARVESTER_")
"""Variables of the pilot that no payload needs; some lead to its token."""
PYTHON = "CULM_PYTHON"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended: its exit status (negative for a signal), and what it took."""

    exit_code: int
    wall_seconds: float
    cpu_seconds: float
    max_rss_mb: float


def run(command: str, work: Path, python: str, image: str = "") -> Ended:
    """Run a shell command in `work`, in an image if one is named.

    SIGTERM is passed on to all that it started.

    Raises:
        NoImage: the image is not to be had on this node.
    """
    started, own = time.monotonic(), _environment(work, python)
    with subprocess.Popen(
        in_image(image, command, work, own) if image else ["/bin/sh", "-c", command],
        cwd=work, env=own,
        stdin=subprocess.DEVNULL, start_new_session=True,
    ) as process:  # fmt: skip
        before = signal.signal(signal.SIGTERM, lambda n, frame: _pass_on(process.pid, n, frame))
        try:
            exit_code = process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
            _signal_group(process.pid, signal.SIGKILL)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Ended(
        exit_code, time.monotonic() - started, usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss * 1024 / 1e6,
    )  # fmt: skip


def _environment(work: Path, python: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_SECRETS)}
    here = str(work)
    return kept | {"HOME": here, "PWD": here, "TMPDIR": here, PYTHON: python}


def _pass_on(leader: int, number: int, _: FrameType | None) -> None:
    _signal_group(leader, number)


def _signal_group(leader: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, number)
