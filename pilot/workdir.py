"""Directories of a pilot on its node: one a run of the pilot, one a job in it.

    <work_dir>/sandboxes/<digest>.tgz   shared by all pilots of this directory
    <work_dir>/runs/<run>/lock          held while the pilot lives, by whatever it dies
    <work_dir>/runs/<run>/<mark>/       the payload's directory
    <work_dir>/runs/<run>/<mark>.<name>.scratch/ what the payload may use beside it (its /tmp)
    <work_dir>/runs/<run>/<mark>.<name> what the pilot makes for the job, out of its way

A directory's name is its record: the mark holds job and attempt, and stands in the environment of
every process of the payload, so a later pilot finds what a dead one left.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from culm.wire.error_codes import PilotError
from pilot.attempt import Attempt
from pilot.errors import JobFailed

_SCRATCH = ".scratch"


@dataclass(frozen=True, slots=True)
class JobDirectory:
    """The directory of one attempt: `work` is where the payload runs."""

    work: Path
    scratches: set[Path] = field(default_factory=set, compare=False)

    def beside(self, name: str) -> Path:
        """A path for a file of the pilot's own, which the payload's directory does not hold."""
        return self.work.with_name(f"{self.work.name}.{name}")

    def scratch(self, name: str) -> Path:
        """A directory beside it that the payload may use, too; it goes with it."""
        path = self.beside(f"{name}{_SCRATCH}")
        path.mkdir(mode=0o700, exist_ok=True)
        self.scratches.add(path)
        return path

    def remove(self) -> None:
        """Delete it with all that is in it, whatever modes the payload left."""
        for path in (self.work, *self.scratches):
            remove_tree(path)


class RunDirectory:
    """The directory of one run of a pilot. Its lock tells later pilots that this one lives."""

    def __init__(self, work_dir: Path) -> None:
        self.path = work_dir / "runs" / f"{os.getpid()}-{secrets.token_hex(6)}"
        self.path.mkdir(parents=True, mode=0o700)
        self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        remove_tree(self.path)
        os.close(self._lock)

    def job(self, attempt: Attempt) -> JobDirectory:
        """A new directory for an attempt.

        Raises:
            JobFailed: it cannot be made.
        """
        directory = JobDirectory(self.path / attempt.mark)
        try:
            directory.work.mkdir(mode=0o700)
        except OSError as error:
            raise JobFailed(PilotError.MKDIR, str(error)) from error
        return directory


def is_scratch(path: Path) -> bool:
    """Whether a directory of a run is not a job's own, but beside it."""
    return path.name.endswith(_SCRATCH)


def abandoned_runs(work_dir: Path) -> list[Path]:
    """The directories of pilots that are dead: nobody holds their lock."""
    runs = work_dir / "runs"
    if not runs.is_dir():
        return []
    return [path for path in sorted(runs.iterdir()) if _is_abandoned(path)]


def _is_abandoned(run: Path) -> bool:
    try:
        handle = os.open(run / "lock", os.O_RDWR)
    except OSError:
        # No lock yet: a pilot that starts this very moment, or one that died as it did.
        return _is_old(run)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _is_old(run: Path) -> bool:
    import time

    with suppress(OSError):
        return time.time() - run.stat().st_mtime > 60
    return False


def remove_tree(path: Path) -> None:
    """Delete a directory with all that is in it; what cannot be deleted stays, without a word."""
    shutil.rmtree(path, onerror=_open_up)


def _open_up(function: object, name: str, _: object) -> None:
    # A payload may have taken away its own right to a directory: give it back, try once more.
    with suppress(OSError):
        for path in (Path(name).parent, Path(name)):
            if stat.S_ISDIR(path.lstat().st_mode):
                path.chmod(0o700)
        if callable(function) and function not in (os.scandir, os.open, os.lstat):
            function(name)
            return
    if Path(name).is_dir() and not Path(name).is_symlink():
        shutil.rmtree(name, ignore_errors=True)
