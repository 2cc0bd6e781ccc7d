"""The back channel: what the server asks of a running job, answered beside everything else.

Nothing that is asked is run as a program: files are read and processes looked at by the pilot
itself, below the job's directory and nowhere else.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from culm.core.errors import CulmError
from culm.wire.codec import encode
from culm.wire.job_requests import MAX_ANSWER, JobAnswer, JobRequest, RequestKind
from pilot.api import ServerApi
from pilot.attempt import DEBUG_SECONDS, Attempt, Place
from pilot.transforms.outputs import STDOUT

log = logging.getLogger(__name__)

_MOST_ENTRIES = 1000
_TRIES = 3


class BackChannel:
    """Answers requests, each in a thread of its own: a slow disk must not hold up a heartbeat."""

    def __init__(self, server: ServerApi) -> None:
        self._server = server

    def take(self, attempt: Attempt, requests: Iterable[JobRequest]) -> None:
        """Answer what was not answered yet; the server repeats what it has no answer to."""
        for request in requests:
            if request.request_id not in attempt.asked:
                attempt.asked.add(request.request_id)
                threading.Thread(
                    target=self._answer, args=(attempt, request), name="back-channel", daemon=True
                ).start()

    def _answer(self, attempt: Attempt, request: JobRequest) -> None:
        try:
            answer = JobAnswer(is_good=True, text=_printable(_told(attempt, request)))
        except (OSError, ValueError) as error:
            answer = JobAnswer(is_good=False, text=_printable(str(error)))
        url = f"/v1/jobs/{attempt.spec.job_id}/requests/{request.request_id}/answer"
        body = json.dumps(encode(answer)).encode()
        for number in range(_TRIES):
            try:
                self._server.put(url, iter([body]), {"Content-Type": "application/json"})
            except CulmError as error:
                log.warning("an answer to request %s was not taken: %s", request.request_id, error)
                time.sleep(number)
            else:
                return
        attempt.asked.discard(request.request_id)


def _told(attempt: Attempt, request: JobRequest) -> str:
    if request.kind in (RequestKind.DEBUG, RequestKind.DEBUG_OFF):
        attempt.debug = request.kind is RequestKind.DEBUG
        if attempt.debug:
            return f"the pilot listens every {DEBUG_SECONDS:g} s from now on"
        return f"the pilot listens every {attempt.spec.heartbeat_seconds:g} s again"
    place = attempt.place
    if place is None:
        raise ValueError(f"its payload does not run: the job is {attempt.state}")
    return _LOOKS[request.kind](place, request)


def _tail(place: Place, request: JobRequest) -> str:
    with _opened(place, request.path or STDOUT) as handle:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{request.path}: it is no file")
        content = os.pread(handle, MAX_ANSWER, max(0, status.st_size - MAX_ANSWER))
    lines = content.decode("utf-8", "replace").splitlines(keepends=True)
    return "".join(lines[-request.n_lines :])


def _ls(place: Place, request: JobRequest) -> str:
    with _opened(place, request.path or ".") as handle:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            return _line(request.path, os.fstat(handle))
        with os.scandir(handle) as entries:
            found = sorted(islice(entries, _MOST_ENTRIES + 1), key=lambda entry: entry.name)
        lines = []
        for entry in found[:_MOST_ENTRIES]:
            with suppress(FileNotFoundError):  # it went away
                lines.append(_line(entry.name, entry.stat(follow_symlinks=False)))
    return "".join(lines) + ("… and more\n" if len(found) > _MOST_ENTRIES else "")


def _line(name: str, status: os.stat_result) -> str:
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(status.st_mtime))
    return f"{stat.filemode(status.st_mode)} {status.st_size:>12} {moment} {name}\n"


def _ps(place: Place, _: JobRequest) -> str:
    import psutil

    lines = [f"{'PID':>8} {'CPU s':>9} {'RSS MB':>9} {'AGE s':>8} COMMAND\n"]
    with suppress(psutil.Error):
        leader = psutil.Process(place.leader)
        for process in (leader, *leader.children(recursive=True)):
            with suppress(psutil.Error):
                used, age = process.cpu_times(), time.time() - process.create_time()
                rss_mb = process.memory_info().rss / 1e6
                words = " ".join(process.cmdline())[:500] or process.name()
                lines.append(
                    f"{process.pid:>8} {used.user + used.system:>9.1f} {rss_mb:>9.1f} "
                    f"{age:>8.0f} {words}\n"
                )
    return "".join(lines)


@contextmanager
def _opened(place: Place, name: str) -> Iterator[int]:
    """A descriptor of what a name below the job's directory stands for, open for reading.

    Raises:
        ValueError: it leads to somewhere else, or is a secret.
        OSError: it cannot be read.
    """
    # Never waits, as for a pipe; and what was opened is looked at, not what the name led to
    # before: the payload may change its links at any moment.
    handle = os.open(place.work / name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        path, work = Path(f"/proc/self/fd/{handle}").readlink(), place.work.resolve()
        if not path.is_relative_to(work):
            raise ValueError(f"{name}: only what is in the job's directory is shown")
        if path in {work / secret for secret in place.private}:
            raise ValueError(f"{name}: secrets are not shown")
        yield handle
    finally:
        os.close(handle)


def _printable(text: str) -> str:
    return (
        text.replace("\0", "\N{REPLACEMENT CHARACTER}")
        .encode("utf-8", "replace")
        .decode()[-MAX_ANSWER:]
    )


_LOOKS: Mapping[RequestKind, Callable[[Place, JobRequest], str]] = {
    RequestKind.TAIL: _tail, RequestKind.LS: _ls, RequestKind.PS: _ps,
}  # fmt: skip
