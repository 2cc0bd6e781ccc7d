"""Output of PanDA's task parameters: local names, and whether ours would be theirs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from culm.core.errors import FieldFault
from server.panda.parameters.faults import fault
from server.panda.parameters.job_line import JobLine
from tasks.output_names import final_name

_TAKEN = frozenset(
    {"type", "param_type", "value", "dataset", "container", "destination", "hidden", "padding"}
)


def output_fields(line: JobLine, name: str, faults: list[FieldFault]) -> dict[str, Any]:
    """The outputs of the task, and the storage that takes them if the client says one.

    The client names datasets and files itself, and our names are the same; where an option makes
    it choose others, that is a fault: nobody would find the output under the name that was shown.
    """
    names = line.output_names
    destinations = {item.get("destination") for item in line.outputs} - {None}
    if len(destinations) > 1:
        faults.append(fault("destination", sorted(map(str, destinations)), "one for all outputs"))
    by_value = {str(item.get("value")): item for item in line.outputs}
    for local, value in names.items():
        faults += _faults(str(local), by_value.get(str(value), {}), name)
    if len(by_value) != len(names):
        faults.append(fault("jobParameters -o", line.options.get("-o"), "a local name each output"))
    return {"outputs": list(names), "destination": next(iter(destinations), None)}


def _faults(local: str, item: Mapping[str, Any], name: str) -> list[FieldFault]:
    if local.startswith("regex|"):
        return [fault("outputs", local, "wildcards are taken, no regular expression: x*.txt")]
    found = [
        fault(f"outputs.{key}", value, "is not taken for output")
        for key, value in item.items() if key not in _TAKEN and value
    ]  # fmt: skip
    dataset, ours = str(item.get("dataset", "")).removesuffix("/"), f"{name}_{final_name(local)}"
    if dataset != ours:
        found.append(fault("outputs.dataset", dataset, f"its dataset is {ours}: give no suffix"))
    return found
