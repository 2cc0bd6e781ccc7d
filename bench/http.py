"""A small HTTP/1.1 client over one kept connection: the caller must not be what is measured."""

from __future__ import annotations

import asyncio
from typing import Any, Self

import msgspec


class Connection:
    """Requests with JSON bodies, one after another."""

    def __init__(self, port: int, token: str = "") -> None:
        self.port = port
        self.token = token

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.close()

    async def post(self, path: str, value: Any) -> Any:
        """The JSON value of the answer.

        Raises:
            RuntimeError: the answer was no success.
        """
        return await self.call("POST", path, msgspec.json.encode(value))

    async def get(self, path: str) -> Any:
        """The JSON value at a path; raises as `post` does."""
        return await self.call("GET", path, b"")

    async def call(
        self, method: str, path: str, body: bytes, more: str = "", kind: str = "application/json"
    ) -> Any:
        """One request and its answer's JSON value; raises as `post` does."""
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {self.token}\r\n"
            f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
        )
        self.writer.write(head.encode("ascii") + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = _length(answer)
        content = await self.reader.readexactly(length)
        if not answer.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"{method} {path}: {answer[:40]!r} {content[:500]!r}")
        return msgspec.json.decode(content) if content else None


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
