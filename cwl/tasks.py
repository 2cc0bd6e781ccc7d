"""The task of an instance: its options, with datasets and loop parameters put in.

Sources: documentation, 4.1.8 (options of `prun` and `phpo` steps, types of outputs, `%{DSn}`,
`%{parameter}`, names of datasets).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from culm.client.prun import listed
from culm.core.names import archive_name, is_pattern
from culm.core.nearest import nearest
from cwl.arguments import PHPO, PRUN, Arguments, given_options, parse_arguments
from cwl.links import StepFault
from cwl.outcomes import Task
from cwl.plan import Kind
from cwl.pseudo_tools import RESULTS
from cwl.searches import options_of_search

_HOLE = re.compile(r"%\{([^{}\s]{1,100})\}")
_OWN = frozenset(
    {"opt_inDS", "opt_inDsType", "opt_secondaryDSs", "opt_secondaryDsTypes", "opt_exec", "opt_args"}
)
_OF_SEARCH = frozenset({"opt_trainingDS", "opt_trainingDsType", "opt_args"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a task may refer to: the tasks that made datasets, by name, and loop parameters.

    `iteration` is that of the innermost loop, from 0; `files` are those that searches may name.
    """

    producers: Mapping[str, Task]
    parameters: Mapping[str, Any]
    iteration: int | None = None
    files: Mapping[str, str] = field(default_factory=dict)


def task_of(kind: Kind, name: str, inputs: Mapping[str, Any], around: Surroundings) -> Task:
    """The task that an instance of a pseudo tool is.

    Raises:
        StepFault: an option is unknown or wrong, or a type of output is missing or is not there.
    """
    if kind is Kind.PHPO:
        return _search(name, inputs, around)
    primary = _datasets(inputs.get("opt_inDS"), inputs.get("opt_inDsType"), "opt_inDsType", around)
    secondary = _datasets(
        inputs.get("opt_secondaryDSs"),
        inputs.get("opt_secondaryDsTypes"),
        "opt_secondaryDsTypes",
        around,
    )
    put_in = _PutIn(around, secondary)
    found = parse_arguments(PRUN, str(inputs.get("opt_args") or ""), put_in.of_option)
    given_options(inputs, _OWN, found)
    _check_secondary(secondary, found)
    options: dict[str, Any] = {**found.options, "exec": put_in(str(inputs.get("opt_exec") or ""))}
    if primary:
        options["in_ds"] = ",".join(primary)
    elif options.get("secondary_dss") is None:
        options["no_input"] = True
    outputs = list(listed(options.get("outputs")))
    if kind is Kind.JUNCTION and RESULTS not in outputs:
        outputs.append(RESULTS)
        options["outputs"] = ",".join(outputs)
    return Task(name=name, options=options, others=found.others, outputs=_ends(outputs))


def producers_of(inputs: Mapping[str, Any], producers: Mapping[str, Task]) -> list[str]:
    """The names of the tasks whose output a step takes."""
    keys = ("opt_inDS", "opt_secondaryDSs", "opt_trainingDS")
    named = [name for key in keys for name in _names(inputs.get(key))]
    return [name for name in dict.fromkeys(named) if name in producers]


def _search(name: str, inputs: Mapping[str, Any], around: Surroundings) -> Task:
    training = _datasets(
        inputs.get("opt_trainingDS"), inputs.get("opt_trainingDsType"), "opt_trainingDsType", around
    )
    put_in = _PutIn(around, [])
    found = parse_arguments(PHPO, str(inputs.get("opt_args") or ""), put_in.of_option)
    given_options(inputs, _OF_SEARCH, found)
    options = options_of_search(found, around.files)
    if training:
        options["training_ds"] = ",".join(training)
    metrics = options.get("evaluation_metrics")
    return Task(name=name, options=options, others=found.others,
                outputs=(metrics,) if metrics else (), files=around.files)  # fmt: skip


def _ends(outputs: Sequence[str]) -> tuple[str, ...]:
    return tuple(archive_name(name) if is_pattern(name) else name for name in outputs)


def _names(value: Any) -> list[str]:
    """The names in a string, a list, a list of lists; null ones (skipped, failed) are left out."""
    if value is None:
        return []
    if isinstance(value, list):
        return [name for one in value for name in _names(one)]
    return list(listed(str(value)))


def _datasets(value: Any, types: Any, option: str, around: Surroundings) -> list[str]:
    names = _names(value)
    wanted = _types(types, len(names))
    return [
        dataset
        for name, kind in zip(names, wanted, strict=True)
        for dataset in _dataset(name, kind, option, around)
    ]


def _types(types: Any, count: int) -> list[str]:
    """A type for each dataset: a list goes in step with them, one alone is meant for all."""
    given = _names(types)
    if isinstance(types, list) and len(given) > 1:
        return [*given, *[""] * count][:count]
    return [given[0] if given else ""] * count


def _dataset(name: str, kind: str, option: str, around: Surroundings) -> list[str]:
    made = around.producers.get(name)
    if made is None:
        return [name]
    if not made.outputs:
        raise StepFault(
            f"{name} has no output: give it --outputs in opt_args (phpo: --evaluationMetrics)"
        )
    if not kind and len(made.outputs) > 1:
        raise StepFault(
            f"{name} has several types of output: name one by {option} ({', '.join(made.outputs)})"
        )
    if kind and kind not in made.outputs:
        near = nearest(kind, made.outputs)
        meant = f"; did you mean {near}?" if near else f"; it has {', '.join(made.outputs)}"
        raise StepFault(f"{name} has no output {kind}{meant}")
    return [f"{name}_{kind or made.outputs[0]}"]


@dataclass(frozen=True, slots=True)
class _PutIn:
    """Puts values into `%{…}`."""

    around: Surroundings
    secondary: Sequence[str]

    def __call__(self, text: str) -> str:
        return _HOLE.sub(lambda match: self._value(match[1], match[0], self.secondary), text)

    def of_option(self, option: str, value: str) -> str:
        """The value of an option of `opt_args`."""
        # A colon parts the fields of --secondaryDSs.
        names = [n.replace(":", r"\:") if option == "secondaryDSs" else n for n in self.secondary]
        return _HOLE.sub(lambda match: self._value(match[1], match[0], names), value)

    def _value(self, name: str, whole: str, secondary: Sequence[str]) -> str:
        if name.startswith("DS") and (name[2:].isdecimal() or name[2:] == "*"):
            return _numbered(name[2:], secondary)
        parameters = self.around.parameters
        if name in parameters:
            return _text(parameters[name])
        if name == "i" and self.around.iteration is not None:
            return str(self.around.iteration)
        near = nearest(name, parameters)
        if near:
            raise StepFault(f"{whole}: no such parameter; did you mean %{{{near}}}?")
        return whole  # not ours: `curl -w %{http_code}`


def _numbered(number: str, secondary: Sequence[str]) -> str:
    if number == "*":
        return ",".join(secondary)
    if not 1 <= int(number) <= len(secondary):
        raise StepFault(f"%{{DS{number}}}: opt_secondaryDSs has {len(secondary)} datasets")
    return secondary[int(number) - 1]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _check_secondary(secondary: Sequence[str], found: Arguments) -> None:
    if secondary and found.options.get("secondary_dss") is None:
        raise StepFault(
            "opt_secondaryDSs needs a stream for each dataset in opt_args: "
            "--secondaryDSs IN2:1:%{DS1}"
        )
