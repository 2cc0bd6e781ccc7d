"""How much a request may send, and how slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request
from starlette.requests import ClientDisconnect

from culm.core.errors import FieldFault, InvalidRequest, TooLarge

KB, MB = 1 << 10, 1 << 20


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """The most bytes of a body, and the time it may take.

    A body has `grace_seconds`, and a second more for each `bytes_per_second` that came: one that
    trickles ends in bounded time, one that flows has all the time that it needs.
    """

    max_bytes: int
    grace_seconds: float = 20.0
    bytes_per_second: int = 10 * KB

    def deadline(self, started: float, received: int) -> float:
        """When the next bytes must be there, on the clock of `started`."""
        return started + self.grace_seconds + received / self.bytes_per_second


SMALL = BodyLimits(64 * KB)
DOCUMENT = BodyLimits(2 * MB)
BULK = BodyLimits(32 * MB)


async def blocks(request: Request, limits: BodyLimits) -> AsyncIterator[bytes]:
    """The body's bytes as they come.

    Raises:
        TooLarge: before anything is read where the length is declared, else as soon as it shows.
        InvalidRequest: the body came too slowly.
    """
    _check_declared(request, limits)
    loop = asyncio.get_running_loop()
    started, received = loop.time(), 0
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout_at(limits.deadline(started, received)):
                block = await anext(stream, None)
        except TimeoutError as error:
            raise _too_slow(received, limits) from error
        if block is None:
            return
        received += len(block)
        if received > limits.max_bytes:
            raise _too_large(f"more than {limits.max_bytes}", limits)
        if block:
            yield block


async def whole_body(request: Request, limits: BodyLimits) -> bytes:
    """All bytes of the body; errors as `blocks` says.

    Raises:
        ClientDisconnect: the client has gone.
    """
    _check_declared(request, limits)
    started, received, parts = asyncio.get_running_loop().time(), 0, []
    more, receive = True, request.receive
    try:
        async with asyncio.timeout_at(started + limits.grace_seconds) as patience:
            while more:
                said = await receive()
                if said["type"] == "http.disconnect":
                    raise ClientDisconnect
                parts.append(said.get("body", b""))
                received, more = received + len(parts[-1]), said.get("more_body", False)
                if received > limits.max_bytes:
                    raise _too_large(f"more than {limits.max_bytes}", limits)
                if more:
                    patience.reschedule(limits.deadline(started, received))
    except TimeoutError as error:
        raise _too_slow(received, limits) from error
    return parts[0] if len(parts) == 1 else b"".join(parts)


def declared_length(request: Request) -> int | None:
    """The Content-Length; None where the body comes in chunks."""
    text = request.headers.get("content-length")
    return int(text) if text is not None and text.isdecimal() and len(text) < 20 else None


def _check_declared(request: Request, limits: BodyLimits) -> None:
    declared = declared_length(request)
    if declared is not None and declared > limits.max_bytes:
        raise _too_large(str(declared), limits)


def _too_large(found: str, limits: BodyLimits) -> TooLarge:
    fault = FieldFault("body", f"{found} bytes", f"at most {limits.max_bytes} bytes")
    return TooLarge("the body is too large", faults=[fault])


def _too_slow(received: int, limits: BodyLimits) -> InvalidRequest:
    needed = f"at least {limits.bytes_per_second} bytes a second"
    fault = FieldFault("body", f"{received} bytes", needed)
    return InvalidRequest("the body came too slowly", faults=[fault])
