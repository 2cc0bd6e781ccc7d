"""A proxy that cuts connections after so many bytes of answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class CuttingProxy:
    """Passes bytes on. Once armed, each connection that answers ends after the next of `cuts`."""

    def __init__(self, target_port: int, cuts: list[int]) -> None:
        self.left = list(cuts)
        self.armed = threading.Event()
        self.given = 0
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]

    def serve(self) -> None:
        """Take connections until it is closed."""
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target_port))
                for each in ((self._requests, client, server), (self._answers, client, server)):
                    threading.Thread(target=each[0], args=each[1:], daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while block := client.recv(65536):
                server.sendall(block)

    def _answers(self, client: socket.socket, server: socket.socket) -> None:
        left: int | None = None
        with suppress(OSError):
            while (left is None or left > 0) and (block := server.recv(65536)):
                if left is None and self.armed.is_set() and self.left:
                    left = self.left.pop(0)
                block = block[:left]
                left = None if left is None else left - len(block)
                if self.armed.is_set():
                    self.given += len(block)
                client.sendall(block)
        for each in (client, server):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def cutting_proxy(target_port: int, cuts: list[int]) -> Iterator[CuttingProxy]:
    """A proxy that runs for the length of a test."""
    proxy = CuttingProxy(target_port, cuts)
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.close()
