"""Children of the nursery: what a process asks of them, with an end to waiting."""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = str(Path(__file__).parents[1])
_PROGRAM = f"import sys; sys.path.append({_ROOT!r}); from cwl.nursery import main; main()"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended: its exit code, or minus the signal; and what it replied, if it did."""

    code: int
    reply: Any


class Nursery:
    """The nursery of this process: started when first wanted, ended with this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        atexit.register(self.close)

    def ask(self, request: Any, seconds: float) -> Ended:
        """What a child answers; it is ended if that takes longer.

        Raises:
            TimeoutError: it did.
        """
        until = time.monotonic() + seconds
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._send(theirs)
            told = _conversation(ours, json.dumps(request).encode(), until)
        text, end, code = told.rpartition(b"\n")
        # Without a last line the nursery has ended, and all of its children with it.
        number = int(code) if end else 1
        return Ended(number, json.loads(text) if number == 0 else None)

    def close(self) -> None:
        """End it, if it lives."""
        if self._control is not None and self._process is not None:
            self._control.close()
            self._process.wait()
            self._control = self._process = None

    def _send(self, theirs: socket.socket) -> None:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            assert self._control is not None  # noqa: S101 - for the type checker
            try:
                socket.send_fds(self._control, [b"."], [theirs.fileno()])
            except BrokenPipeError:  # it ended this very moment
                self._start()
                socket.send_fds(self._control, [b"."], [theirs.fileno()])

    def _start(self) -> None:
        self.close()
        self._control, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", _PROGRAM, str(far.fileno())],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[far.fileno()],
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": "/nonexistent"},
                cwd="/", start_new_session=True,
            )  # fmt: skip


def _conversation(ours: socket.socket, request: bytes, until: float) -> bytes:
    """All that comes back for a request.

    Raises:
        TimeoutError: it is late.
    """
    found = bytearray()
    try:
        ours.settimeout(max(0.001, until - time.monotonic()))
        ours.sendall(request)
        ours.shutdown(socket.SHUT_WR)
        while part := ours.recv(1 << 20):
            found += part
            ours.settimeout(max(0.001, until - time.monotonic()))
    except (BrokenPipeError, ConnectionResetError):
        pass  # it ended before it read all: how, is in what came
    return bytes(found)
