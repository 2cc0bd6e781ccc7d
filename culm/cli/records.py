"""What runs here, written down: the lock of an installation, and the processes of its parts."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import psutil

from culm.core.errors import Conflict

LOCK = "up.lock"


@dataclass(frozen=True, slots=True)
class Record:
    """A part's process. A process id alone may be another's by now; with its start it is not."""

    name: str
    process_id: int
    started_at: float

    @classmethod
    def of(cls, name: str, process_id: int) -> Record:
        """The record of a process that has just been started."""
        try:
            return cls(name, process_id, psutil.Process(process_id).create_time())
        except psutil.NoSuchProcess:
            return cls(name, process_id, 0.0)

    def alive(self) -> bool:
        """Whether this very process still runs."""
        try:
            process = psutil.Process(self.process_id)
            same = abs(process.create_time() - self.started_at) < 1.0
            return same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False


def remember(run_dir: Path, record: Record) -> None:
    """Write a part's record down."""
    path = run_dir / f"{record.name}.json"
    partial = path.with_suffix(".new")
    partial.write_text(json.dumps(asdict(record)), encoding="utf-8")
    partial.replace(path)


def forget(run_dir: Path, name: str) -> None:
    """Strike out a part's record."""
    (run_dir / f"{name}.json").unlink(missing_ok=True)


def records(run_dir: Path) -> Iterator[Record]:
    """The records of all parts, in order of name; unreadable ones are passed over."""
    for path in sorted(run_dir.glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            yield Record(**json.loads(path.read_text(encoding="utf-8")))


def end_leftovers(run_dir: Path) -> list[Record]:
    """End the parts that outlived their supervisor (it was killed); those that were found."""
    found = [record for record in records(run_dir) if record.alive()]
    for record in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.process_id, signal.SIGTERM)
    deadline = time.monotonic() + 10
    while any(record.alive() for record in found) and time.monotonic() < deadline:
        time.sleep(0.05)
    for record in found:
        # Each part leads a process group; what is left of it holds ports and locks.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(record.process_id, signal.SIGKILL)
        forget(run_dir, record.name)
    return found


@contextmanager
def only_one(run_dir: Path) -> Iterator[None]:
    """Hold an installation's lock; the kernel frees it however this process ends.

    Raises:
        Conflict: another process holds it; its id is named.
    """
    with (run_dir / LOCK).open("a+", encoding="utf-8") as lock:
        if not _lock(lock):
            raise Conflict(
                f"culm up runs already on {run_dir.parent} as process {holder(run_dir)}",
                hint="culm down, or another --data-dir",
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _lock(file: IO[str]) -> bool:
    """Whether the lock was got. Somebody who only looks at it holds it for a moment: try again."""
    for _ in range(5):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def holder(run_dir: Path) -> int | None:
    """The process that holds an installation's lock; None if nobody does."""
    try:
        with (run_dir / LOCK).open("r", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read() or 0) or None
    except (FileNotFoundError, ValueError):
        pass
    return None
