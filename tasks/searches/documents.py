"""What a job of a search finds in its directory: the script, and what it is to do. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from culm.wire.search import MAX_CHECKPOINT_MB, SEGMENT_NAME, SearchSpec
from tasks.searches.asking import Tried

SCRIPT, DOCUMENT, RESULT = "culm_search_job.py", "culm_search.json", "culm_result.json"
COMMAND = f"python3 {SCRIPT}"
STEERING_IN, STEERING_OUT = "steering_in.json", "steering_out.json"


@dataclass(frozen=True, slots=True)
class Point:
    """A point to be evaluated."""

    point_nr: int
    parameters: Mapping[str, Any]


def evaluation_files(
    search: SearchSpec,
    command: str,
    segment: str,
    points: Sequence[Point],
    training_files: Sequence[str],
) -> dict[str, str]:
    """The files of a job that evaluates these points of a segment."""
    checkpoint = {
        "paths": search.checkpoint_paths, "load_as": search.checkpoint_load_as,
        "minutes": search.checkpoint_minutes, "max_mb": MAX_CHECKPOINT_MB,
    }  # fmt: skip
    return _files({
        "kind": "evaluation",
        "command": command.replace(SEGMENT_NAME, segment),
        "container": search.evaluation_container,
        "segment": segment,
        "points": [{"point_nr": p.point_nr, "parameters": p.parameters} for p in points],
        "training_files": list(training_files),
        "input": search.input_name, "training": search.training_name,
        "output": search.output_name, "metadata": search.metadata_name,
        "metrics": search.metrics_name,
        "checkpoint": checkpoint if search.checkpoint_paths else None,
    })  # fmt: skip


def steering_files(
    search: SearchSpec, segment: str, n_points: int, tried: Sequence[Tried]
) -> dict[str, str]:
    """The files of a job that runs the user's own steering program for a round.

    What it reads is as documented for steering containers: `points` are pairs of a point and
    its loss, null while it is not evaluated; `opt_space` is the search space.
    """
    values = {
        "%NUM_POINTS": str(n_points), "%MAX_POINTS": str(search.max_points),
        "%IN": STEERING_IN, "%OUT": STEERING_OUT, SEGMENT_NAME: segment,
    }  # fmt: skip
    pattern = "|".join(values)
    return _files({
        "kind": "steering",
        "command": re.sub(pattern, lambda found: values[found[0]], search.steering_command or ""),
        "container": search.steering_container,
        "input": STEERING_IN, "output": STEERING_OUT,
        "evaluated": {
            "points": [[one.parameters, one.loss] for one in tried],
            "opt_space": search.space_of(segment),
        },
    })  # fmt: skip


def _files(document: dict[str, Any]) -> dict[str, str]:
    return {SCRIPT: _script(), DOCUMENT: json.dumps(document)}


@cache
def _script() -> str:
    return (files("tasks.searches.payload") / "search_job.py").read_text(encoding="utf-8")
