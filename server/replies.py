"""Messages as answers: ready bytes, never a model that is validated once more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import Response


def reply(message: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """The JSON answer that holds a message (a dataclass); fields without a value are null."""
    body = msgspec.json.encode(message)
    return Response(body, status, headers, media_type="application/json")
