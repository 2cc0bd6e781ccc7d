"""A supervisor of processes: starts them, starts them again when they die, stops them in order.

Each part is a process in a session of its own, so that Ctrl-C reaches only the supervisor, which
then stops the parts in good order. A part's output goes to a log file.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from culm.cli.records import Record, forget, remember
from culm.core.errors import OurFault

Tell = Callable[[str], None]
LOG_LIMIT_BYTES = 50_000_000
STEADY_SECONDS = 60.0
"""A part that lived this long has recovered: its next restart comes at once again."""
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A process to keep running. Parts of a higher tier are stopped earlier."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    tier: int
    ready_url: str = ""
    ready_seconds: float = 60.0
    stop_seconds: float = 15.0


@dataclass(slots=True)
class _Running:
    """A part and its present process."""

    part: Part
    process: subprocess.Popen[bytes]
    started: float
    restarts: int = 0
    again_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Keeps parts running. Not for threads: one loop calls it."""

    log_dir: Path
    run_dir: Path
    tell: Tell
    _running: dict[str, _Running] = field(default_factory=dict)

    def start(self, part: Part) -> None:
        """Start a part; it is looked after from now on."""
        process = self._spawn(part)
        self._running[part.name] = _Running(part, process, time.monotonic())

    def wait_ready(self, part: Part, stopped: Callable[[], bool]) -> bool:
        """Whether a part answers on its page before its time is over; parts that die start again.

        Raises:
            OurFault: it ended three times before it ever answered.
        """
        deadline = time.monotonic() + part.ready_seconds
        while time.monotonic() < deadline and not stopped():
            if answers(part.ready_url):
                return True
            self.tend()
            if self._running[part.name].restarts >= 3:
                raise OurFault(f"{part.name} does not start", hint=f"read {self.log_of(part)}")
            time.sleep(0.1)
        return False

    def tend(self) -> None:
        """Look at every part once: one that ended is started again, after a pause that grows."""
        now = time.monotonic()
        for running in self._running.values():
            if running.again_at is None and running.process.poll() is not None:
                self._note_end(running, now)
            if running.again_at is not None and now >= running.again_at:
                running.process = self._spawn(running.part)
                running.started, running.again_at = now, None

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stop all parts, the highest tier first; those that take too long are killed."""
        for tier in sorted({running.part.tier for running in self._running.values()}, reverse=True):
            members = [r for r in self._running.values() if r.part.tier == tier]
            for running in members:
                self._ask_to_stop(running)
            for running in members:
                self._await_end(running, hurry)
                forget(self.run_dir, running.part.name)
        self._running.clear()

    def log_of(self, part: Part) -> Path:
        """The file that a part's output goes to."""
        return self.log_dir / f"{part.name}.log"

    def _spawn(self, part: Part) -> subprocess.Popen[bytes]:
        path = self.log_of(part)
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        with path.open("ab") as log:
            process = subprocess.Popen(
                part.argv,
                env=dict(part.environment),
                cwd=self.run_dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        remember(self.run_dir, Record.of(part.name, process.pid))
        return process

    def _note_end(self, running: _Running, now: float) -> None:
        if now - running.started > STEADY_SECONDS:
            running.restarts = 0
        pause = min(0.5 * 2**running.restarts, LONGEST_PAUSE_SECONDS)
        running.restarts += 1
        running.again_at = now + pause
        kill_group(running.process.pid, signal.SIGKILL)  # what it left behind holds its ports
        self.tell(
            f"{running.part.name} ended ({_words(running.process.returncode)}); it starts again "
            f"in {pause:.1f} s; log: {self.log_of(running.part)}"
        )

    def _ask_to_stop(self, running: _Running) -> None:
        if running.process.poll() is None:
            # To the leader alone: it knows in which order its own children end.
            running.process.terminate()

    def _await_end(self, running: _Running, hurry: Callable[[], bool]) -> None:
        deadline = time.monotonic() + running.part.stop_seconds
        while running.process.poll() is None and time.monotonic() < deadline and not hurry():
            time.sleep(0.05)
        if running.process.poll() is None:
            why = "" if hurry() else " takes too long to stop and"
            self.tell(f"{running.part.name}{why} is killed")
        kill_group(running.process.pid, signal.SIGKILL)
        running.process.wait()


def kill_group(group: int, number: signal.Signals) -> None:
    """Send a signal to a process group that may have ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def answers(url: str) -> bool:
    """Whether a page of this machine answers with success."""
    # Never by a proxy: it is here.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def _words(code: int) -> str:
    if code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
