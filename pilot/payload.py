"""A payload: the job's command in a shell, in a session and a directory of its own."""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pilot.processes import MARK, Family, Owner, signal_followers, signal_group
from pilot.transforms.outputs import STDERR, STDOUT

_PASSED_ON = ("PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "USER", "LOGNAME", "SHELL")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PYTHON = "CULM_PYTHON"
"""Names the pilot's own Python to the payload: where Culm is installed, cwltool is too."""
IMAGES = "CULM_IMAGES"
"""Names the folder of unpacked images to it, where there is one."""
_BLOCK_BYTES = 512
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def clean_environment(
    own: Mapping[str, str], wanted: Mapping[str, str], work: Path, mark: str, images: str = ""
) -> dict[str, str]:
    """A payload's environment: some harmless variables of the pilot's, and what the job asks.

    An allow-list: nothing of the pilot's settings or secrets gets through. Names that are no
    names, and `CULM_…`, are left out of what the job asks.
    """
    kept = {name: own[name] for name in _PASSED_ON if name in own}
    kept.setdefault("PATH", _DEFAULT_PATH)
    own_place = {"HOME": str(work), "PWD": str(work), "TMPDIR": str(work)}
    own_place |= {PYTHON: sys.executable} | ({IMAGES: images} if images else {})
    return kept | own_place | asked_for(wanted) | {MARK: mark}


def asked_for(wanted: Mapping[str, str]) -> dict[str, str]:
    """What a job may set of its environment: no names that are none, and none of ours."""
    return {
        name: value
        for name, value in wanted.items()
        if _NAME.fullmatch(name) and not name.startswith("CULM_") and "\0" not in value
    }


@dataclass(frozen=True, slots=True)
class Launch:
    """What is needed to start a payload: its words, the last of which are a shell and its command.

    `ended_by` is a command that ends what is left of it elsewhere. `is_watched`: the first process
    only waits for the payload's own, and tells how it ended.
    """

    words: tuple[str, ...]
    work: Path
    environment: Mapping[str, str]
    mark: str
    ended_by: tuple[str, ...] = ()
    is_watched: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How a payload ended. `max_rss_mb` is of its largest process, 0 if that is not known.

    What it read from and wrote to disk counts all of its processes that were waited for.
    """

    exit_code: int
    cpu_seconds: float
    max_rss_mb: float
    read_mb: float
    write_mb: float
    n_strays: int


class Payload:
    """A payload that runs. Use it in a `with` block: at its end nothing of it is left alive."""

    def __init__(self, launch: Launch, family: Family) -> None:
        self._family = family
        self._ended_by, self._is_watched = launch.ended_by, launch.is_watched
        self._reaped = False
        self._stdout = _output_file(launch.work / STDOUT)
        self._stderr = _output_file(launch.work / STDERR)
        try:
            with family.lock:
                self._process = _start(launch, self._stdout, self._stderr)
                family.adopt(self._process.pid)
        except BaseException:
            self._close()
            raise
        self.owner = Owner(self._process.pid, launch.mark, launch.work)
        self._exit = _exit_event(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._reaped:
            self.kill()
            self.finish()
        os.close(self._exit)
        self._close()

    @property
    def exit_event(self) -> int:
        """A descriptor that can be read from once the payload has ended."""
        return self._exit

    def terminate(self) -> None:
        """Ask its process group to end, but for who only waits to tell how it did."""
        if not (self._is_watched and signal_followers(self.owner.leader, signal.SIGTERM)):
            signal_group(self.owner.leader, signal.SIGTERM)

    def kill(self) -> None:
        """End its process group, without asking."""
        signal_group(self.owner.leader, signal.SIGKILL)

    def alive(self) -> bool:
        """Whether the command or anything that it started lives."""
        ended = _is_readable(self._exit, 0)
        return not ended or self._family.has_left(self.owner)

    def finish(self) -> Ending:
        """Wait for its end and end what is left of it.

        The leader is still a zombie when its group is killed, so the group's number is its own.
        """
        _is_readable(self._exit, None)
        self.kill()
        status, usage = self._family.reap(self.owner.leader)
        self._process.returncode = status
        if self._ended_by:
            subprocess.run(self._ended_by, capture_output=True, check=False, timeout=60)
        self._reaped = True
        return Ending(
            exit_code=status,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            max_rss_mb=_own_rss_mb(usage.ru_maxrss),
            read_mb=usage.ru_inblock * _BLOCK_BYTES / 1e6,
            write_mb=usage.ru_oublock * _BLOCK_BYTES / 1e6,
            n_strays=self._family.end(self.owner),
        )

    def output_bytes(self) -> int:
        """The bytes written to standard output and error so far."""
        return os.fstat(self._stdout).st_size + os.fstat(self._stderr).st_size

    def last_output(self, n_bytes: int) -> tuple[bytes, bytes]:
        """The end of standard output and of standard error.

        Read through the descriptors: the names may lead anywhere by now.
        """
        return _end(self._stdout, n_bytes), _end(self._stderr, n_bytes)

    def _close(self) -> None:
        os.close(self._stdout)
        os.close(self._stderr)


def _start(launch: Launch, stdout: int, stderr: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        launch.words,
        cwd=launch.work,
        env=launch.environment,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
    )


def _output_file(path: Path) -> int:
    # The sandbox may have brought a file of this name. O_APPEND, so that a payload that opens
    # its own output again cannot write over what is there.
    with suppress(FileNotFoundError):
        path.unlink()
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)


def _own_rss_mb(max_rss_kib: int) -> float:
    # The kernel counts from the fork on, so a small payload shows the pilot's own peak.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max_rss_kib * 1024 / 1e6 if max_rss_kib > own * 1.05 else 0.0


def _end(handle: int, n_bytes: int) -> bytes:
    size = os.fstat(handle).st_size
    return os.pread(handle, n_bytes, max(0, size - n_bytes)) if size else b""


def _is_readable(handle: int, milliseconds: int | None) -> bool:
    # Not select(): its descriptors end at 1024.
    ready = select.poll()
    ready.register(handle, select.POLLIN)
    return bool(ready.poll(milliseconds))


def _exit_event(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return _waiting_thread(pid)


def _waiting_thread(pid: int) -> int:
    # Kernels before 5.3 have no pidfd.
    reader, writer = os.pipe()

    def wait() -> None:
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        os.close(writer)

    threading.Thread(target=wait, name=f"wait-{pid}", daemon=True).start()
    return reader
