"""Answers as PanDA reads them: {"success", "message", "data"}, and other forms by path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from fastapi import Response

from culm.core.errors import CulmError

PREFIXES = ("/api/v1/", "/server/panda/", "/cache/", "/auth/")
"""The paths of PanDA's wire: none of ours begins so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a call is answered with."""

    data: Any = None
    message: str = ""
    success: bool = True


def enveloped(said: Said, status: int = 200, **more: Any) -> Response:
    """The answer of /api/v1; times in it are written as PanDA's client reads them."""
    fields = {"success": said.success, "message": said.message, "data": wired(said.data)}
    return json_answer(fields | more, status)


def json_answer(value: Any, status: int = 200) -> Response:
    """A JSON answer of any form."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def wired(value: Any) -> Any:
    """The value with each time in it as {"__datetime__": …}: UTC without saying so, as PanDA's."""
    if isinstance(value, datetime):
        return {"__datetime__": value.astimezone(UTC).replace(tzinfo=None).isoformat()}
    if isinstance(value, Mapping):
        return {name: wired(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [wired(item) for item in value]
    return value


def words_of(error: CulmError) -> str:
    """All that an error says, in one line."""
    return words_of_problem(error.as_problem())


def words_of_problem(problem: Mapping[str, Any]) -> str:
    """All that a problem document says, in one line."""
    text: str = problem["detail"]
    faults = [f"{f['field']}: {f['value']} - {f['needed']}" for f in problem.get("errors", ())]
    if faults:
        text = f"{text}: {'; '.join(faults)}"
    return f"{text} ({problem['hint']})" if problem.get("hint") else text


Form = Callable[[Mapping[str, Any]], Response]
"""Makes the answer that says a problem (its document) to the caller of one path."""


def _as_envelope(problem: Mapping[str, Any]) -> Response:
    said = Said(success=False, message=words_of_problem(problem))
    return enveloped(said, problem["status"], code=problem["code"])


FORMS: dict[str, Form] = {}
"""How problems are said on paths that do not take the envelope."""


def form_of(path: str) -> Form:
    """How a problem is said on this path."""
    return FORMS.get(path, _as_envelope)
