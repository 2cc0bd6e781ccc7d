"""Whether our packages are our own: a flat package's name can be taken by a stranger's file."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from importlib.machinery import ModuleSpec
from pathlib import Path

from culm.core.errors import Shadowed

PACKAGES = ("culm", "tasks", "flows", "broker", "pilot", "cwl", "server")
HOUSE = Path(__file__).resolve().parents[2]
"""The directory (or zipapp) that holds `culm` and the packages beside it."""


def check_house(names: Iterable[str] = PACKAGES, house: Path = HOUSE) -> None:
    """Pass if each of these packages that is there at all lies in our house; imports none.

    Raises:
        Shadowed: a file or folder earlier on the path bears the name of one of them.
    """
    for name in names:
        stranger = shadow_of(name, house)
        if stranger is not None:
            raise Shadowed(
                f"package {name}: {stranger} is imported in its place, {house / name} is needed",
                hint=f"rename {stranger}, or take its folder off PYTHONPATH "
                "(or start with `python -P -m culm`)",
            )


def shadow_of(name: str, house: Path = HOUSE) -> Path | None:
    """The file that Python would import for this name in place of ours, or None if it is ours."""
    try:
        spec = importlib.util.find_spec(name)
    except (ValueError, ImportError):
        # A module that was put into sys.modules by hand has no spec: nobody's file.
        return None
    place = _place(spec) if spec else None
    return None if place is None or place.parent == house else place


def _place(spec: ModuleSpec) -> Path | None:
    """The module's file, or its folder if it is a package; resolved."""
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations))).resolve()
    return Path(spec.origin).resolve() if spec.origin and spec.has_location else None
