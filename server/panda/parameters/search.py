"""phpo's task parameters → our search."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from culm.core.errors import FieldFault
from server.panda.parameters.faults import fault
from server.panda.parameters.job_line import JobLine

_SHELL_RUNS = "-c"


def search_fields(
    parameters: Mapping[str, Any], line: JobLine, faults: list[FieldFault]
) -> dict[str, Any]:
    """The search, and the metrics that its jobs write.

    The client multiplies its numbers by the segments, ours count for each of them.
    """
    asked = parameters.get("hpoRequestData")
    if not isinstance(asked, dict):
        faults.append(fault("hpoRequestData", asked, "what to search: an object"))
        return {}
    parts = parameters.get("segmentSpecs") or []
    n_parts = max(1, len(parts))
    metrics = line.options.get("--outMetricsFile", "").rpartition("^")[2] or None
    steering = asked.get("arguments") or None
    found = {
        "max_points": int(asked.get("max_points") or 10) // n_parts,
        "max_evaluation_jobs": parameters.get("maxNumJobs"),
        "n_parallel_evaluation": parameters.get("nEvents"),
        "n_points_per_iteration": asked.get("num_points_per_generation"),
        "min_unevaluated_points": asked.get("min_unevaluated_points"),
        "n_points_per_job": _number(line.options.get("--maxLoopCount")),
        "steering_command": None if steering is None else steering_command(str(steering)),
        "steering_container": asked.get("sandbox") if steering else None,
        "evaluation_container": parameters.get("container_name"),
        "input_name": line.options.get("--inSampleFile"),
        "output_name": line.options.get("-o"),
        "metadata_name": line.options.get("--outMetaFile"),
        "metrics_name": metrics,
        "training_name": line.options.get("--writeInputToTxt", "").rpartition(":")[2] or None,
        "training_datasets": [n.strip() for i in line.inputs for n in str(i["dataset"]).split(",")],
        "checkpoint_paths": _listed(line.options.get("--checkPointToSave")),
        "checkpoint_load_as": line.options.get("--checkPointToLoad"),
        "checkpoint_minutes": _number(line.options.get("--checkPointInterval")),
        **_spaces(asked.get("opt_space"), parts, faults),
    }
    search = {name: value for name, value in found.items() if value is not None}
    return {"search": search, "outputs": [metrics] if metrics else [], "skip_scouts": True}


def steering_command(arguments: str) -> str:
    """What chooses the points, out of the arguments of `docker` that phpo sends.

    `run --rm -v $(pwd):/DIR IMAGE /bin/bash -c "COMMAND"`: the image is named beside it, and the
    job's directory is where the command starts, so COMMAND is all that is left to say.
    """
    try:
        words = shlex.split(arguments)
    except ValueError:
        return arguments
    if words[:1] == ["run"] and _SHELL_RUNS in words[:-1]:
        return words[words.index(_SHELL_RUNS) + 1]
    return arguments


def _spaces(space: Any, parts: Sequence[Any], faults: list[FieldFault]) -> dict[str, Any]:
    """The space of all, or each segment with its own."""
    if not parts:
        return {"space": space or {}}
    spaces = [one.get("search_space", one) for one in space] if isinstance(space, list) else []
    if spaces and len(spaces) != len(parts):
        faults.append(fault("hpoRequestData.opt_space", len(spaces), "one for each segment"))
        spaces = []
    segments = []
    for number, part in enumerate(parts):
        own = {key: part[key] for key in ("name", "files", "datasets") if key in part}
        segments.append(own | ({"space": spaces[number]} if spaces else {}))
    return {"segments": segments}


def _listed(text: str | None) -> list[str] | None:
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def _number(text: str | None) -> int | None:
    return int(text) if text is not None else None
