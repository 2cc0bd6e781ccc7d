"""One call of PanDA's wire: who asks, and its fields as values.

Python's own spelling stands for what JSON would say better: a query holds "None" and "True".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from culm.core.errors import FieldFault, InvalidRequest
from server.identity.actor import Actor
from server.parts import Parts

_NONE = (None, "None", "")
_TRUE, _FALSE = ("true", "1"), ("false", "0")
_LARGEST = 2**62


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call; its methods raise InvalidRequest where a field is missing or is not what it must be.

    `caller` is None only where anybody may ask; `host` is by what name the server was called.
    """

    fields: Mapping[str, Any]
    parts: Parts
    caller: Actor | None
    host: str

    @property
    def actor(self) -> Actor:
        """Who asks, where a token is needed."""
        assert self.caller is not None  # noqa: S101 - the guard of the route saw to it
        return self.caller

    def get(self, name: str) -> Any:
        """A field as it came; None where it is not there."""
        value = self.fields.get(name)
        return None if isinstance(value, str) and value in _NONE else value

    def text(self, name: str, default: str | None = None) -> str:
        """A field that is text."""
        value = self.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or "\x00" in value:
            raise wrong(name, value, "text")
        return value

    def number(self, name: str, default: int | None = None) -> int:
        """A field that is a whole number, 0 or more."""
        value = self.get(name)
        return default if value is None and default is not None else _whole(name, value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A field that is true or false."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        word = str(value).lower()
        if word not in _TRUE + _FALSE:
            raise wrong(name, value, "True or False")
        return word in _TRUE

    def several(self, name: str) -> list[Any]:
        """A field that is a list; one value alone is a list of one."""
        value = self.get(name)
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    def numbers(self, name: str) -> list[int]:
        """A field that is a list of whole numbers."""
        return [_whole(name, item) for item in self.several(name)]

    def mapping(self, name: str) -> Mapping[str, Any] | None:
        """A field that is an object, or the JSON text of one."""
        value = self.get(name)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError) as error:
                raise wrong(name, value, f"JSON: {error}") from error
        if value is not None and not isinstance(value, dict):
            raise wrong(name, value, "an object: names with values")
        return value

    def moment(self, name: str) -> datetime | None:
        """A field that is a time in UTC, `2026-11-24 19:40:00` or ISO 8601."""
        value = self.get(name)
        if value is None:
            return None
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError as error:
            raise wrong(name, value, "a time in UTC: YYYY-MM-DD HH:MM:SS") from error
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _whole(name: str, value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise wrong(name, value, "a whole number")
    return value


def wrong(name: str, value: object, needed: str) -> InvalidRequest:
    """The error that says what a field must be."""
    shown = "nothing" if value is None else ascii(value)[:80]
    fault = FieldFault(name, shown, needed)
    return InvalidRequest(f"{name} is not right", faults=[fault])
