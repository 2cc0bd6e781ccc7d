"""Plugins: objects that installed distributions offer under a group of entry points."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from culm.core.errors import Misconfigured
from culm.core.nearest import unknown_name


def plugins(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by name, none of them loaded.

    Raises:
        Misconfigured: two distributions offer different objects under one name.
    """
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise Misconfigured(
                f"plugin {entry.name} of group {group} is offered twice: "
                f"{other.value} and {entry.value}",
                hint="uninstall one of the two distributions",
            )
    return found


def load_plugin(group: str, name: str) -> Any:
    """The object that a group offers under this name, imported now.

    Raises:
        Misconfigured: the group has no such name, or its module cannot be imported.
    """
    known = plugins(group)
    if name not in known:
        raise Misconfigured(f"plugin {name} of group {group}: {unknown_name(name, known)}")
    try:
        return known[name].load()
    except (ImportError, AttributeError) as error:
        raise Misconfigured(
            f"plugin {name} of group {group} cannot be loaded from {known[name].value}: {error}",
            hint="culm doctor",
        ) from error
