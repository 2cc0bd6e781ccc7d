"""Bodies as messages: read within limits, decoded by the wire's own rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from fastapi import Request
from starlette.concurrency import run_in_threadpool

from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.codec import decode, parse_json
from server.limits import DOCUMENT, BodyLimits, whole_body

T = TypeVar("T")
_LONG = 128 * 1024


@dataclass(frozen=True, slots=True)
class JsonBody(Generic[T]):
    """A dependency that gives a route the message in its body."""

    kind: type[T]
    limits: BodyLimits = DOCUMENT

    async def __call__(self, request: Request) -> T:
        """The message.

        Raises:
            TooLarge, InvalidRequest: as the limits and the codec say.
        """
        body = await whole_body(request, self.limits)
        if len(body) > _LONG:
            # A second of decoding must not stop the heartbeats of everybody else.
            return await run_in_threadpool(message, self.kind, body)
        return message(self.kind, body)


def message(kind: type[T], body: bytes) -> T:
    """The message of this kind that a JSON document holds.

    Raises:
        InvalidRequest: with every fault named.
    """
    return decode(kind, json_value(body))


def json_value(body: bytes) -> Any:
    """The value of a JSON document.

    msgspec is faster than the standard library and stricter: it refuses lone surrogates, which
    no database could keep.

    Raises:
        InvalidRequest: the bytes are not UTF-8, not JSON, or nested too deeply.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        parse_json(body)  # the codec's own words for it
        fault = FieldFault("body", f"{len(body)} bytes", f"one JSON document in UTF-8 ({error})")
        raise InvalidRequest("request is not valid JSON", faults=[fault]) from error
