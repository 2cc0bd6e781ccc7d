"""The line that a transform gets, written as options, read strictly: nothing is overlooked."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from culm.core.errors import FieldFault
from culm.core.nearest import unknown_name
from server.panda.parameters.faults import fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a transform takes: `valued` with a value, `flags` without; `unmeant` mean nothing here.

    Those `unmeant` are about what our pilot finds out itself: where the server is, how to log.
    """

    name: str
    valued: frozenset[str]
    flags: frozenset[str] = frozenset()
    unmeant: frozenset[str] = frozenset()

    @property
    def known(self) -> list[str]:
        """All that is taken."""
        return sorted(self.valued | self.flags)


def read_line(text: str, options: Options, faults: list[FieldFault]) -> Mapping[str, str]:
    """The options of a line with their values; what is not taken becomes a fault.

    `${TRN_…}` and the like stand alone: places that PanDA's server fills.
    """
    found: dict[str, str] = {}
    try:
        words = shlex.split(text)
    except ValueError as error:
        faults.append(fault(options.name, text, f"a line of options ({error})"))
        return found
    while words:
        name, equals, value = words.pop(0).partition("=")
        if name.startswith("${"):
            continue
        if name not in options.valued | options.flags:
            needed = f"{options.name} does not take it: {unknown_name(name, options.known)}"
            faults.append(fault(f"jobParameters {name}", value or name, needed))
            continue
        if name in options.valued and not equals:
            if not words:
                faults.append(fault(f"jobParameters {name}", "nothing", "needs a value"))
                continue
            value = words.pop(0)
        if name not in options.unmeant:
            found[name] = value
    return found
