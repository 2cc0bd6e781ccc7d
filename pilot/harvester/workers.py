"""Workers on this node: pilots of one slot each, as processes of their own."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from culm.core.ids import new_key
from pilot.harvester.plan import Kind, Size
from pilot.isolation import Mode
from pilot.lease import elapsed

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
STOP_SECONDS = 30.0
"""A pilot has its jobs ended and reported in less (`PilotSettings.drain_seconds`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What every worker is started with. Those that do not stay end after a while of idling."""

    server: str
    token: str
    work_dir: Path
    idle_exit_seconds: float
    images_dir: str = ""
    isolation: Mode = Mode.AUTO
    hidden: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A worker to be started. `wanted_at` is the target that it is for; `stays`: idle or not."""

    kind: Kind
    size: Size
    wanted_at: str = ""
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Worker:
    """A pilot that was started, and when."""

    order: Order
    process: subprocess.Popen[bytes]
    log_file: Path
    started: float


class LocalWorkers:
    """The workers that live. Use it in a `with` block: at its end all are stopped."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self.living: list[Worker] = []

    def __enter__(self) -> LocalWorkers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, order: Order) -> Worker:
        """Start a pilot that serves a queue with so much of the node.

        Its token comes through a pipe, so that no file or argument shows it. It is told to stop
        when the harvester dies, however it dies. All pilots share a directory and its sandboxes.
        """
        queue, size = order.kind[0], order.size
        work_dir = self._terms.work_dir
        work_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        log_file = work_dir / f"worker-{new_key()}.log"
        flags: dict[str, object] = {
            "--server": self._terms.server, "--queue": queue, "--token-file": "-",
            "--work-dir": work_dir, "--cores": size.core_count, "--memory": size.memory_mb,
        }  # fmt: skip
        flags["--isolation"] = self._terms.isolation
        if self._terms.images_dir:
            flags["--images"] = self._terms.images_dir
        if not order.stays:
            flags["--idle-exit"] = self._terms.idle_exit_seconds
        argv = [sys.executable, "-P", "-m", "pilot"]
        argv += [str(word) for pair in flags.items() for word in pair]
        argv += [str(word) for path in self._terms.hidden for word in ("--hide", path)]
        with log_file.open("wb") as output:
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=output, stderr=output,
                start_new_session=True, preexec_fn=_end_with_parent,  # noqa: PLW1509 - no threads here
            )  # fmt: skip
        _give(process, self._terms.token)
        worker = Worker(order, process, log_file, elapsed())
        self.living.append(worker)
        return worker

    def reap(self) -> list[Worker]:
        """The workers that have ended since the last look; their logs are removed."""
        ended = [worker for worker in self.living if worker.process.poll() is not None]
        self.living = [worker for worker in self.living if worker not in ended]
        for worker in ended:
            _tell(worker)
            worker.log_file.unlink(missing_ok=True)
        return ended

    def stop(self) -> None:
        """Tell all workers to stop, and wait; those that take too long are killed."""
        for worker in self.living:
            worker.process.terminate()
        until = time.monotonic() + STOP_SECONDS
        for worker in self.living:
            try:
                worker.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("worker at %s takes too long to stop", worker.order.kind[0])
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(worker.process.pid, signal.SIGKILL)
                worker.process.wait()
        self.reap()


def _end_with_parent() -> None:
    with contextlib.suppress(OSError, AttributeError):  # not every system knows it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def _give(process: subprocess.Popen[bytes], token: str) -> None:
    assert process.stdin is not None  # noqa: S101 - for the type checker
    # One that has ended already is reaped like any other.
    with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
        pipe.write(token.encode())


def _tell(worker: Worker) -> None:
    code, queue = worker.process.returncode, worker.order.kind[0]
    if code in (0, 128 + signal.SIGTERM):
        log.info("worker at %s ended", queue)
        return
    output = worker.log_file.read_text(encoding="utf-8", errors="replace")
    last = output[-2000:].strip().splitlines()[-3:]
    log.warning("worker at %s ended with exit code %s: %s", queue, code, " | ".join(last))
