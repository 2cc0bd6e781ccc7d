"""What PanDA's programs send: query, JSON or form, gzipped without saying so, as plain values."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from culm.core.errors import FieldFault, InvalidRequest, TooLarge
from server.bodies import json_value
from server.limits import MB, BodyLimits, whole_body

BODY = BodyLimits(16 * MB)
MOST_UNPACKED = 64 * MB
"""So large may a body be once it is unpacked: a few kilobytes of gzip can hold gigabytes."""
MOST_FIELDS = 1000
_GZIP = b"\x1f\x8b"


async def fields_of(request: Request, limits: BodyLimits = BODY) -> Mapping[str, Any]:
    """The fields of a request: those of its body over those of its query.

    A key that comes several times is a list. PanDA's client gzips without `Content-Encoding` and
    leaves out `Content-Type` too: the bytes themselves say what they are.

    Raises:
        TooLarge: the body, as sent or unpacked.
        InvalidRequest: it is truncated, neither JSON nor a form, or no set of fields.
    """
    found = dict(form_fields(request.scope["query_string"]))
    if request.method == "POST":
        body = await whole_body(request, limits)
        found |= await run_in_threadpool(body_fields, body)
    return found


def body_fields(body: bytes) -> Mapping[str, Any]:
    """The fields of a body; errors as `fields_of` says."""
    body = unpacked(body).strip()
    if not body:
        return {}
    if body[:1] not in b"{[":
        return form_fields(body)
    value = json_value(body)
    if not isinstance(value, dict):
        fault = FieldFault("body", "a JSON list", "a JSON object with the call's fields")
        raise InvalidRequest("the request holds no fields", faults=[fault])
    return value


def unpacked(body: bytes) -> bytes:
    """The bytes, gunzipped if they are gzip.

    Raises:
        InvalidRequest: the gzip is damaged or ends too early.
        TooLarge: there is too much in it.
    """
    if not body.startswith(_GZIP):
        return body
    reader = zlib.decompressobj(wbits=31)
    try:
        found = reader.decompress(body, MOST_UNPACKED + 1)
    except zlib.error as error:
        raise _damaged(len(body), str(error)) from error
    if len(found) > MOST_UNPACKED:
        fault = FieldFault("body", f"more than {MOST_UNPACKED} bytes", "less, once unpacked")
        raise TooLarge("the body is too large", faults=[fault])
    if not reader.eof:
        raise _damaged(len(body), "its end is missing")
    return found


def form_fields(text: bytes) -> Mapping[str, Any]:
    """The fields of a form or a query string.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        found = parse_qs(
            text.decode("ascii"), keep_blank_values=True, strict_parsing=bool(text),
            errors="strict", max_num_fields=MOST_FIELDS,
        )  # fmt: skip
    except ValueError as error:
        fault = FieldFault("body", f"{len(text)} bytes", "JSON, or a form: name=value&…")
        raise InvalidRequest("the request cannot be read", faults=[fault]) from error
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _damaged(length: int, why: str) -> InvalidRequest:
    fault = FieldFault("body", f"{length} bytes of gzip", f"whole and unharmed ({why})")
    return InvalidRequest("the request was damaged on its way", faults=[fault])
