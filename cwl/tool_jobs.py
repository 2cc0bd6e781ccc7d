"""Tools of standard CWL as jobs: what a pilot is given to run, and what its result means here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from culm.core import images
from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.workflows import MADE, UNSUPPORTED
from cwl.execute import CONTAINERS, IMAGES, JOB
from cwl.nodes import short
from cwl.plan import Plan, Tool

PROGRAM = "culm_tool.py"
COMMAND = f'"${{CULM_PYTHON:-python3}}" -I {PROGRAM}'
"""What the job runs: the pilot's own Python if it says which, and no modules of the directory."""
_CLASSES = ("File", "Directory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a tool came to: its outputs, or why there are none."""

    outputs: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


def tool_job(plan: Plan, tool: Tool, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The description of one run of a tool of a plan, as `cwl.execute` reads it.

    What a step has for its own expressions only, the tool does not see.
    """
    known = {short(str(one["id"])) for one in tool.document["inputs"]}
    return {
        "tool": _without_formats(tool.document),
        "requirements": list(tool.requirements),
        "hints": list(tool.hints),
        "cwl_version": tool.cwl_version,
        "looks_beside": plan.looks_beside,
        "tells_contents": plan.reads_contents,
        "inputs": {name: value for name, value in inputs.items() if name in known},
    }


def job_files(job: Mapping[str, Any]) -> dict[str, str]:
    """The files that the job's directory needs to run it, by name."""
    asked = {one["class"] for one in (*job["requirements"], *job["hints"])}
    more = {}
    if "DockerRequirement" in asked:
        more = {CONTAINERS: _text("containers"), IMAGES: _images()}
    return {JOB: json.dumps(job), PROGRAM: _text("execute"), **more}


def datasets_of(inputs: Any) -> list[str]:
    """The datasets that hold files among these inputs."""
    places = (urlsplit(str(node["location"])) for node in _located(inputs))
    return list(dict.fromkeys(place.netloc for place in places if place.scheme == MADE))


def needs_of(tool: Tool) -> dict[str, int]:
    """`core_count` and `memory_mb` of a tool, where it says them and they are no expressions."""
    said = next((one for one in (*tool.requirements, *tool.hints)
                 if one["class"] == "ResourceRequirement"), {})  # fmt: skip
    found = {"core_count": _least(said, "cores"), "memory_mb": _least(said, "ram")}
    return {name: value for name, value in found.items() if value is not None}


def verdict_of(document: str, dataset: str, task_id: int) -> Verdict:
    """What a tool's job handed in; files are where they are in the dataset of this task.

    Raises:
        InvalidRequest: it is not what `cwl.execute` writes.
    """
    try:
        found = json.loads(document)
        status, reason, outputs = found["status"], str(found["reason"]), dict(found["outputs"])
    except (ValueError, TypeError, KeyError) as error:
        fault = FieldFault("result", document[:80], "what the runner of tools writes is needed")
        raise InvalidRequest("the job handed in no result of a tool", faults=[fault]) from error
    if status != "success":
        words = UNSUPPORTED if status == "unsupported" else "the tool failed"
        return Verdict(reason=f"{words}: {reason}")
    return Verdict(outputs=_placed(outputs, f"{MADE}://{dataset}/{task_id}/"))


def located(value: Any, place: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> Any:
    """A copy of a value in which each file and directory is what `place` makes of it."""
    if isinstance(value, list):
        return [located(one, place) for one in value]
    if not isinstance(value, Mapping):
        return value
    node = place(value) if value.get("class") in _CLASSES else value
    return {name: located(one, place) for name, one in node.items()}


def _without_formats(document: Mapping[str, Any]) -> dict[str, Any]:
    """A tool that takes files of any format: those of inputs were looked at when it was loaded."""
    inputs = [{k: v for k, v in one.items() if k != "format"} for one in document["inputs"]]
    return {**document, "inputs": inputs}


def _placed(value: Any, prefix: str) -> Any:
    def place(node: Mapping[str, Any]) -> Mapping[str, Any]:
        if not node.get("location"):
            return node
        return {**node, "location": prefix + str(node["location"])}

    return located(value, place)


def _located(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list):
        for one in value:
            yield from _located(one)
    elif isinstance(value, Mapping):
        if value.get("class") in _CLASSES and value.get("location"):
            yield value
        for one in value.values():
            yield from _located(one)


def _least(said: Mapping[str, Any], name: str) -> int | None:
    value = said.get(f"{name}Min", said.get(f"{name}Max"))
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return max(1, ceil(value)) if is_number and value is not None else None


@cache
def _text(module: str) -> str:
    return (Path(__file__).parent / f"{module}.py").read_text(encoding="utf-8")


@cache
def _images() -> str:
    return Path(images.__file__).read_text(encoding="utf-8")
