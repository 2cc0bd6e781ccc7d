"""Processes of a payload: who belongs to it, even those that escaped, and their end.

The pilot is a subreaper: a payload's process whose parent ends becomes the pilot's child. So
after a payload's end, whatever is a child of the pilot, and is not itself a running payload, is
a stray; it is told from others by its session, by the mark in its environment, or by its
directory.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

MARK = "PILOT_ATTEMPT"
"""The variable in a payload's environment that holds its attempt's mark."""

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> bool:
    """Have orphans of payloads become this process's children; False where that is not known."""
    try:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError):
        return False
    return int(prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0


@dataclass(frozen=True, slots=True)
class Owner:
    """The payload that processes belong to: the leader's id, the mark, the work directory."""

    leader: int
    mark: str
    work: Path


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    group: int
    session: int
    started: int


class Family:
    """The pilot's children, shared by its slots. Starting and counting exclude each other."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._leaders: dict[int, int] = {}

    def adopt(self, leader: int) -> None:
        """Know a payload that was just started; call it under `lock`, with the start."""
        stat = _stat(leader)
        self._leaders[leader] = stat.started if stat else 0

    def reap(self, leader: int) -> tuple[int, resource.struct_rusage]:
        """Collect a payload that has ended: its exit status and what its tree used."""
        with self.lock:
            _, status, usage = os.wait4(leader, 0)
            self._leaders.pop(leader, None)
        return os.waitstatus_to_exitcode(status), usage

    def has_left(self, owner: Owner) -> bool:
        """Whether a payload whose leader ended left processes that run on."""
        return bool(self._strays_of(owner))

    def end(self, owner: Owner, limit_seconds: float = 5.0) -> int:
        """Kill what is left of a payload; how many strays there were.

        Returns when none is left, or after the limit (a process in an uninterruptible wait).
        """
        killed: set[int] = set()
        until = time.monotonic() + limit_seconds
        while True:
            left = self._strays_of(owner)
            killed.update(left)
            for pid in left:
                _kill(pid)
            if not left or time.monotonic() > until:
                return len(killed)
            time.sleep(0.002)

    def _strays_of(self, owner: Owner) -> list[int]:
        if not _has_children():
            return []
        with self.lock:
            strays = [pid for pid in _children() if pid not in self._leaders]
            found = []
            for pid in strays:
                stat = _stat(pid)
                if stat is None or _reaped(pid, stat):
                    continue
                if self._belongs(pid, stat, owner):
                    found.append(pid)
            return found

    def _belongs(self, pid: int, stat: _Stat, owner: Owner) -> bool:
        if stat.session == os.getsid(0):
            return False  # a copy tool's own process, not a payload's
        if owner.leader in {stat.group, stat.session}:
            return True
        mark = mark_of(pid)
        if mark:
            return mark == owner.mark
        if _is_in(pid, owner.work):
            return True
        # It hid its mark. Once no running payload is old enough to have started it, it is ours.
        return all(started > stat.started for started in self._leaders.values())


def signal_group(leader: int, number: int) -> None:
    """Send a signal to a payload's process group, which its unreaped leader keeps alive."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def signal_followers(leader: int, number: int) -> int:
    """Send a signal to the processes of a payload's group but its leader; how many there were."""
    stats = ((pid, _stat(pid)) for pid in _everybody() if pid != leader)
    followers = [pid for pid, stat in stats if stat is not None and stat.group == leader]
    for pid in followers:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
    return len(followers)


def kill_marked(marks: Iterable[str], places: Iterable[Path], limit_seconds: float = 5.0) -> int:
    """Kill every process that bears one of these marks or is in one of these directories.

    For payloads of a pilot that is dead, whose process ids may be anybody's by now.
    """
    wanted, folders = frozenset(marks), tuple(places)
    killed: set[int] = set()
    until = time.monotonic() + limit_seconds
    while wanted and time.monotonic() < until:
        found = [pid for pid in _everybody() if _is_marked(pid, wanted, folders)]
        if not found:
            break
        killed.update(found)
        for pid in found:
            _kill(pid)
        time.sleep(0.01)
    return len(killed)


def mark_of(pid: int) -> str:
    """The mark in a process's environment; empty if it has none or may not be read."""
    try:
        content = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return ""
    prefix = f"{MARK}=".encode()
    for variable in content.split(b"\0"):
        if variable.startswith(prefix):
            return variable[len(prefix) :].decode("ascii", "replace")
    return ""


def _is_marked(pid: int, marks: frozenset[str], folders: tuple[Path, ...]) -> bool:
    stat = _stat(pid)
    if stat is None or stat.state == "Z":
        return False
    return mark_of(pid) in marks or any(_is_in(pid, folder) for folder in folders)


def _is_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def _everybody() -> list[int]:
    own = os.getpid()
    names = (entry.name for entry in Path("/proc").iterdir())
    return [int(name) for name in names if name.isdecimal() and int(name) != own]


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _children() -> list[int]:
    found: list[int] = []
    try:
        for thread in Path("/proc/self/task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                line = (thread / "children").read_text("ascii")
                found.extend(map(int, line.split()))
    except OSError:
        import psutil

        return [child.pid for child in psutil.Process().children()]
    return found


def _stat(pid: int) -> _Stat | None:
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name stands in brackets and may hold anything: the fields start after the last bracket.
    fields = line[line.rindex(b")") + 2 :].split()
    return _Stat(fields[0].decode(), int(fields[2]), int(fields[3]), int(fields[19]))


def _reaped(pid: int, stat: _Stat) -> bool:
    if stat.state != "Z":
        return False
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return True


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
