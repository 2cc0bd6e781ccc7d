"""PanDA's own workflow descriptions (pchain_native --wfd) written as the CWL that we run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name

_INPUT = re.compile(r"\{(\w+)\}")
_OUTPUT = re.compile(r"(\w+)/outDS")
_STEP = {
    "inDsType": "opt_inDsType", "containerImage": "opt_containerImage", "args": "opt_args",
    "exec": "opt_exec", "useAthenaPackages": "opt_useAthenaPackages",
    "secondaryDsTypes": "opt_secondaryDsTypes",
}  # fmt: skip
_OF_STEP = frozenset({"type", "inDS", "secondaryDSs", *_STEP})
_OF_WORKFLOW = frozenset({"name", "inputs", "outputs", "steps", "options"})
_KINDS = ("prun", "phpo", "junction")
LONGEST = 1 << 20


def as_cwl(text: str) -> str:
    """The CWL document that says the same as a description in YAML or JSON.

    Raises:
        InvalidRequest: with a fault for everything in it that is not known or does not resolve.
    """
    description = _read(text)
    faults = [*_faults(description)]
    if faults:
        raise InvalidRequest("the workflow cannot run like this", faults=faults)
    inputs = description.get("inputs") or {}
    steps = description["steps"]
    document = {
        "cwlVersion": "v1.2", "class": "Workflow", "inputs": {},
        "outputs": {
            name: {"type": "string", "outputSource": output["from"]}
            for name, output in (description.get("outputs") or {}).items()
        },
        "steps": {name: _step(step, inputs) for name, step in steps.items()},
    }  # fmt: skip
    return json.dumps(document, indent=1)


def _read(text: str) -> Mapping[str, Any]:
    if len(text) > LONGEST:
        fault = FieldFault("workflow", f"{len(text)} characters", f"at most {LONGEST}")
        raise InvalidRequest("the workflow description is too large", faults=[fault])
    try:
        found = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        fault = FieldFault("workflow", "YAML", " ".join(str(error).split())[:300])
        raise InvalidRequest("the workflow description cannot be read", faults=[fault]) from error
    if not isinstance(found, dict):
        fault = FieldFault("workflow", type(found).__name__, "a mapping with steps")
        raise InvalidRequest("the workflow description cannot be read", faults=[fault])
    return found


def _faults(description: Mapping[str, Any]) -> Iterator[FieldFault]:
    for name in sorted(set(map(str, description)) - _OF_WORKFLOW):
        yield FieldFault(name, "", unknown_name(name, _OF_WORKFLOW))
    steps = description.get("steps")
    if not isinstance(steps, dict) or not steps:
        yield FieldFault("steps", ascii(steps)[:80], "a mapping with at least one step")
        return
    inputs = description.get("inputs") or {}
    for name, step in steps.items():
        yield from _step_faults(f"steps.{name}", step, inputs, steps)
    for name, output in (description.get("outputs") or {}).items():
        source = str(output.get("from", "")) if isinstance(output, dict) else ""
        found = _OUTPUT.fullmatch(source)
        if found is None or found[1] not in steps:
            yield FieldFault(f"outputs.{name}.from", ascii(source), "STEP/outDS of a step here")


def _step_faults(
    where: str, step: Any, inputs: Mapping[str, Any], steps: Mapping[str, Any]
) -> Iterator[FieldFault]:
    if not isinstance(step, dict):
        yield FieldFault(where, ascii(step)[:80], "a mapping: type, inDS, exec, args")
        return
    for key in sorted(set(map(str, step)) - _OF_STEP):
        yield FieldFault(f"{where}.{key}", ascii(step[key])[:80], unknown_name(key, _OF_STEP))
    if step.get("type") not in _KINDS:
        yield FieldFault(f"{where}.type", ascii(step.get("type")), f"one of {', '.join(_KINDS)}")
    for key, source in _sources(step):
        output = _OUTPUT.fullmatch(source)
        if output is not None and output[1] not in steps:
            needed = unknown_name(output[1], [str(name) for name in steps])
            yield FieldFault(f"{where}.{key}", source, f"no such step: {needed}")
        for name in _INPUT.findall(source):
            if name not in inputs:
                needed = unknown_name(name, [str(known) for known in inputs] or ["none"])
                yield FieldFault(f"{where}.{key}", source, f"no such input: {needed}")


def _sources(step: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if step.get("inDS"):
        yield "inDS", str(step["inDS"])
    for name in _secondaries(step)[0]:
        yield "secondaryDSs", name


def _secondaries(step: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The secondary datasets, and what of each is taken; they may come as a mapping."""
    found = step.get("secondaryDSs") or []
    if isinstance(found, dict):
        return [str(name) for name in found], [str(kind) for kind in found.values()]
    return [str(name) for name in found], [str(kind) for kind in step.get("secondaryDsTypes") or []]


def _step(step: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, Any]:
    into: dict[str, Any] = {
        own: {"default": step[key]} for key, own in _STEP.items() if step.get(key)
    }
    if step.get("inDS"):
        into["opt_inDS"] = _value(str(step["inDS"]), inputs)
    datasets, kinds = _secondaries(step)
    if datasets:
        into["opt_secondaryDSs"] = _several([_value(name, inputs) for name in datasets])
    if kinds:
        into["opt_secondaryDsTypes"] = {"default": kinds}
    return {"run": step["type"], "in": into, "out": ["outDS"]}


def _value(source: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    if _OUTPUT.fullmatch(source):
        return {"source": source}
    return {"default": _INPUT.sub(lambda found: str(inputs[found[1]]), source)}


def _several(values: list[dict[str, Any]]) -> dict[str, Any]:
    """Some datasets as one input: outputs of steps are linked, names are given."""
    sources = [value["source"] for value in values if "source" in value]
    if len(sources) == len(values):
        return {"source": sources, "linkMerge": "merge_flattened"}
    if not sources:
        return {"default": [value["default"] for value in values]}
    fault = FieldFault("secondaryDSs", ", ".join(sources), "outputs of steps alone, or names alone")
    raise InvalidRequest("secondary datasets of both kinds are not taken in a step", faults=[fault])
