"""`opt_args` read as a command line: options of prun by their fields, and PanDA's others."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from culm.client.prun import Prun
from culm.core.nearest import nearest
from cwl.links import StepFault
from cwl.panda_options import ALIASES, SWITCHES, VALUED

_FIELDS = {f.metadata["flag"].removeprefix("--"): f for f in fields(Prun)}
NOT_HERE = ("outDS", "parentTaskID", "workDir", "inDS", "exec")
"""Options that a workflow says itself, or by inputs of their own."""


@dataclass(slots=True)
class Arguments:
    """What a command line says: options of Prun by the names of its fields, and others."""

    options: dict[str, Any] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)

    def put(self, name: str, value: Any) -> None:
        """Book an option (its name without dashes).

        Raises:
            StepFault: it is unknown, or its value does not fit.
        """
        name = ALIASES.get(name, name)
        if name in _FIELDS:
            self.options[_FIELDS[name].name] = _typed(name, value)
        elif name in SWITCHES or name in VALUED:
            self.others[name] = value
        else:
            raise StepFault(f"--{name} is no option of prun{_meant(name)}")


def parse_arguments(text: str, put_in: Callable[[str, str], str]) -> Arguments:
    """The options of an `opt_args`; `put_in` gives a value (of an option) with its holes filled.

    Raises:
        StepFault: it is no command line, or an option in it is unknown or has no fit value.
    """
    found = Arguments()
    for name, value in split_options(text, _is_switch):
        if name in NOT_HERE:
            said = f"use opt_{name}" if name in ("inDS", "exec") else "the workflow names it"
            raise StepFault(f"--{name} has no place in opt_args: {said}")
        found.put(name, put_in(name, value) if isinstance(value, str) else value)
    return found


def split_options(text: str, is_switch: Callable[[str], bool]) -> Iterator[tuple[str, Any]]:
    """Name and value of each option of a command line; a switch has the value True.

    Raises:
        StepFault: quotes are open, a word is no option, or a value is missing.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise StepFault(f"opt_args is no command line: {error}") from error
    while words:
        word = words.pop(0)
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            raise StepFault(f"{word!r} in opt_args is no option: options begin with --")
        if equals:
            yield name, value
        elif is_switch(ALIASES.get(name, name)):
            yield name, True
        elif not words:
            raise StepFault(f"--{name} needs a value{_meant(name, unless_known=True)}")
        else:
            yield name, words.pop(0)


def _is_switch(name: str) -> bool:
    if name in _FIELDS:
        return str(_FIELDS[name].type).startswith("bool")
    if name in SWITCHES or name in VALUED:
        return name in SWITCHES
    raise StepFault(f"--{name} is no option of prun{_meant(name)}")


def _meant(name: str, *, unless_known: bool = False) -> str:
    known = {*_FIELDS, *SWITCHES, *VALUED}
    near = "" if unless_known and name in known else nearest(name, known)
    return f"; did you mean --{near}?" if near else ""


def _typed(name: str, value: Any) -> Any:
    hint = str(_FIELDS[name].type).partition("|")[0].strip()
    if hint == "bool":
        return value is True or str(value).lower() in ("true", "1", "yes")
    if hint == "str":
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)
    convert, needed = (int, "a whole number") if hint == "int" else (float, "a number")
    try:
        return convert(value)
    except (TypeError, ValueError) as error:
        raise StepFault(f"--{name} {value}: {needed} is needed") from error


def given_options(inputs: Mapping[str, Any], known: frozenset[str], into: Arguments) -> None:
    """Book the inputs `opt_xyz` of a step that stand for one option each.

    Raises:
        StepFault: as `put` says.
    """
    for name, value in inputs.items():
        if name.startswith("opt_") and name not in known and value is not None:
            into.put(name.removeprefix("opt_"), value)
