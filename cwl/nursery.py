"""A process with cwltool and its schemas loaded, which makes a child for each bundle to look at.

Loading them takes a second or two, making a child milliseconds. This process sees no document: a
request comes over a socket of its own, which goes to the child unread. `cwl.children` talks to it.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Iterable
from contextlib import suppress

from cwl.worker import answer

_VERSIONS = ("v1.0", "v1.2")
"""Of the schemas that are loaded ahead: any document needs the first. A child loads others."""


def main() -> None:
    """Make children for who holds the other end of the socket that the first argument names."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _load()
    # Called for a child's end too: what waits is woken, and looks.
    rung, bell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(bell, warn_on_full_buffer=False)
    _Nursery(control, rung).run()


class _Nursery:
    """The children that live, each with the socket of its asker."""

    def __init__(self, control: socket.socket, rung: int) -> None:
        self._control, self._rung = control, rung
        self._children: dict[int, socket.socket] = {}
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)
        self._poll.register(rung, select.POLLIN)

    def run(self) -> None:
        """Serve until nobody can ask any more; nothing is left then."""
        while True:
            for handle, _ in self._poll.poll():
                if handle == self._rung:
                    os.read(handle, 1 << 16)
                    self._reap()
                elif handle != self._control.fileno():
                    # Its asker waits no longer; that it ends will be told as always.
                    self._poll.unregister(handle)
                    self._end({p for p, s in self._children.items() if s.fileno() == handle})
                elif not self._take():
                    return self._end(self._children)

    def _take(self) -> bool:
        """Take a request; whether there can be others."""
        _, handles, _, _ = socket.recv_fds(self._control, 1, 1)
        if not handles:
            return False
        asker = socket.socket(fileno=handles[0])
        child = os.fork()
        if child == 0:
            # Who asked for other children waits until nobody has its socket.
            for other in (self._control, *self._children.values()):
                other.close()
            _be_child(asker)
        self._children[child] = asker
        self._poll.register(asker, 0)
        return True

    def _reap(self) -> None:
        """Tell the askers of children that have ended how they did: the last line they get."""
        while True:
            try:
                child, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if child == 0:
                return
            asker = self._children.pop(child)
            with suppress(KeyError):
                self._poll.unregister(asker)
            with suppress(OSError), asker:
                asker.sendall(f"\n{os.waitstatus_to_exitcode(status)}".encode())

    def _end(self, children: Iterable[int]) -> None:
        for child in children:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)


def _be_child(asker: socket.socket) -> None:
    """Answer one request and end. What it starts is in a group with it, and ends with it."""
    code = 1
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with asker.makefile("rb") as stream:
            request = json.load(stream)
        reply = answer(request)
        asker.sendall(json.dumps(reply).encode())
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def _load() -> None:
    from cwltool import load_tool, update, workflow  # noqa: F401 - for the children
    from cwltool.process import get_schema

    for version in (*_VERSIONS, update.INTERNAL_VERSION):
        get_schema(version)
    tempfile.tempdir = "/nonexistent"  # cwltool looks for one, and nothing may be written
    # Children live shortly, with millions of small objects, few of them in circles.
    gc.disable()
    gc.freeze()
