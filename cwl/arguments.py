"""`opt_args` read as a command line: options of prun or phpo by field, and PanDA's others."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from culm.client.hpo import Hpo
from culm.client.prun import Prun
from culm.core.nearest import nearest
from cwl.links import StepFault
from cwl.panda_options import ALIASES, SWITCHES, VALUED


@dataclass(frozen=True, slots=True)
class Command:
    """A command: its options by their names without dashes.

    `elsewhere` are those that have no place in `opt_args`, each with what to do instead.
    """

    name: str
    fields: Mapping[str, Field[Any]]
    elsewhere: Mapping[str, str]

    def takes(self, option: str) -> bool:
        """Whether it has this option, if only for PanDA's sake."""
        return option in self.fields or option in SWITCHES or option in VALUED

    def is_switch(self, option: str) -> bool:
        """Whether an option has no value.

        Raises:
            StepFault: there is no such option; the nearest one is named.
        """
        if not self.takes(option):
            raise self.unknown(option)
        if option in self.fields:
            return str(self.fields[option].type).startswith("bool")
        return option in SWITCHES

    def unknown(self, option: str) -> StepFault:
        """The fault of an option that it does not have."""
        near = nearest(option, {*self.fields, *SWITCHES, *VALUED})
        meant = f"; did you mean --{near}?" if near else ""
        return StepFault(f"--{option} is no option of {self.name}{meant}")


def _fields_of(options: type[Prun | Hpo]) -> Mapping[str, Field[Any]]:
    return {f.metadata["flag"].removeprefix("--"): f for f in fields(options)}


_OF_WORKFLOW = dict.fromkeys(("outDS", "parentTaskID", "workDir"), "the workflow names it")
PRUN = Command(
    "prun", _fields_of(Prun), _OF_WORKFLOW | {"inDS": "use opt_inDS", "exec": "use opt_exec"}
)
PHPO = Command("phpo", _fields_of(Hpo), _OF_WORKFLOW | {"trainingDS": "use opt_trainingDS"})


@dataclass(slots=True)
class Arguments:
    """What a command line says: options by the names of the command's fields, and others."""

    command: Command
    options: dict[str, Any] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)

    def put(self, name: str, value: Any) -> None:
        """Book an option (its name without dashes).

        Raises:
            StepFault: it is unknown, or its value does not fit.
        """
        name = ALIASES.get(name, name)
        if name in self.command.fields:
            known = self.command.fields[name]
            self.options[known.name] = _typed(name, str(known.type), value)
        elif self.command.takes(name):
            self.others[name] = value
        else:
            raise self.command.unknown(name)


def parse_arguments(command: Command, text: str, put_in: Callable[[str, str], str]) -> Arguments:
    """The options of an `opt_args`; `put_in` gives a value (of an option) with its holes filled.

    Raises:
        StepFault: it is no command line, or an option in it is unknown or has no fit value.
    """
    found = Arguments(command)
    for name, value in _split(text, command):
        if name in command.elsewhere:
            said = command.elsewhere[name]
            raise StepFault(f"--{name} has no place in opt_args: {said}")
        found.put(name, put_in(name, value) if isinstance(value, str) else value)
    return found


def _split(text: str, command: Command) -> Iterator[tuple[str, Any]]:
    """Name and value of each option of a command line; a switch has the value True."""
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
        elif command.is_switch(ALIASES.get(name, name)):
            yield name, True
        elif not words:
            raise StepFault(f"--{name} needs a value")
        else:
            yield name, words.pop(0)


def _typed(name: str, hint: str, value: Any) -> Any:
    hint = hint.partition("|")[0].strip()
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
