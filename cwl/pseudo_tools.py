"""Pseudo tools: what a step may run that is no CWL file, and the options that each one takes.

They become abstract Operations, so that cwltool itself checks their types and links. Another
system's tools (PanDA also shows `reana` and `gitlab`) would be one more row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from culm.client.hpo import Hpo
from culm.client.prun import Prun
from cwl.plan import Kind

_MAYBE_STRING = ["null", "string"]
_STRING_LIST: dict[str, Any] = {"type": "array", "items": ["null", "string"]}
# What a scatter of scatters gives is a list of lists; names of datasets are taken out of both.
_DATASETS = ["null", "string", {"type": "array", "items": ["null", "string", _STRING_LIST]}]
_TYPES = ["null", "string", _STRING_LIST]
_BY_HINT: Mapping[str, list[Any]] = {
    "bool": ["null", "boolean"],
    "int": ["null", "int", "long"],
    "float": ["null", "int", "long", "float", "double"],
    "str": ["null", "string", "int", "long", "float", "double", _STRING_LIST],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudoTool:
    """A kind of task: its inputs by name with their CWL types, and those that it must have."""

    kind: Kind
    inputs: Mapping[str, Any]
    required: frozenset[str] = frozenset()


@cache
def _options_of(command: type[Prun | Hpo]) -> Mapping[str, Any]:
    """`opt_xyz` for every option `--xyz` of a command that a step may have."""
    found: dict[str, Any] = {}
    for field in fields(command):
        hint = str(field.type).partition("|")[0].strip()
        found["opt_" + field.metadata["flag"].removeprefix("--")] = _BY_HINT[hint]
    for name in ("opt_outDS", "opt_parentTaskID", "opt_workDir"):  # the workflow says these
        del found[name]
    return found


_OF_TASKS: Mapping[str, Any] = {
    "opt_inDS": _DATASETS,
    "opt_inDsType": _TYPES,
    "opt_secondaryDSs": _DATASETS,
    "opt_secondaryDsTypes": _TYPES,
    "opt_exec": "string",
    "opt_useAthenaPackages": ["null", "boolean"],
    "opt_containerImage": _MAYBE_STRING,
    "opt_args": _MAYBE_STRING,
}
_WITH_EXEC = frozenset({"opt_exec"})

RESULTS = "results.json"
"""The file in which a junction writes its decision."""

PSEUDO_TOOLS: Mapping[str, PseudoTool] = {
    "prun": PseudoTool(
        kind=Kind.PRUN, inputs={**_options_of(Prun), **_OF_TASKS}, required=_WITH_EXEC
    ),
    "junction": PseudoTool(
        kind=Kind.JUNCTION,
        inputs={**_options_of(Prun), **_OF_TASKS},
        required=_WITH_EXEC,
    ),
    "phpo": PseudoTool(
        kind=Kind.PHPO,
        inputs={
            **_options_of(Hpo),
            "opt_trainingDS": _DATASETS,
            "opt_trainingDsType": _TYPES,
            "opt_args": _MAYBE_STRING,
        },
    ),
}


def pseudo_tool(run: Any) -> PseudoTool | None:
    """The pseudo tool that a step's `run` means (`prun`, `prun.cwl`); None if it is something else.

    The names are kept for them: a file `prun.cwl` that somebody sends along is not read.
    """
    return PSEUDO_TOOLS.get(run.removesuffix(".cwl")) if isinstance(run, str) else None


def operation(tool: PseudoTool, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    """The Operation that stands for one step: its inputs are those that it must or does have."""
    names = dict.fromkeys([*sorted(tool.required), *inputs])
    return {
        "class": "Operation",
        "label": LABEL + tool.kind,
        "inputs": [
            {"id": name, "type": tool.inputs[name]} for name in names if name in tool.inputs
        ],
        "outputs": [{"id": name, "type": "string"} for name in outputs],
    }


LABEL = "culm:"
"""What the label of such an Operation begins with; its kind follows."""
