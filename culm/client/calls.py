"""What the calls of every noun stand on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from culm.client.reading import read
from culm.client.transport import Call, Transport, path_of
from culm.core.settings import Settings

T = TypeVar("T")


class Calls:
    """Calls over one transport."""

    settings: Settings
    transport: Transport

    def _get(self, kind: type[T], /, *parts: object, **params: Any) -> T:
        call = Call(method="GET", path=path_of(*parts), params=params)
        return read(kind, self.transport.json(call))

    def _post(self, kind: type[T], message: Any, *parts: object, key: str = "") -> T:
        call = Call(method="POST", path=path_of(*parts), message=message, key=key)
        return read(kind, self.transport.json(call))


def words(names: Iterable[str] | str | None) -> str | None:
    """A list for a query: `done,failed`; None if it is empty."""
    joined = names if isinstance(names, str) else ",".join(names or ())
    return joined or None


def up_to(limit: int | None, items: Iterator[T]) -> Iterator[T]:
    """At most `limit` of these items; all if it is None."""
    if limit is None:
        yield from items
        return
    for _, item in zip(range(limit), items, strict=False):
        yield item
