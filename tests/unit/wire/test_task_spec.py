"""Rules between the fields of a task specification."""

from __future__ import annotations

from typing import Any

import pytest

from culm.core.errors import InvalidRequest
from culm.wire.codec import decode
from culm.wire.task_spec import TaskSpec

ONE_INPUT = {"inputs": [{"datasets": ["d"]}]}


def faults(**changes: Any) -> list[str]:
    spec = decode(TaskSpec, {"name": "t", "command": "true"} | changes)
    try:
        spec.check()
    except InvalidRequest as error:
        return [f"{f.field}: {f.needed}" for f in error.faults]
    return []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"command": " \n"}, ["command: say what each job runs"]),
        ({"command": "cat %IN"}, ["command: no input stream IN is declared"]),
        ({"command": "cat %IN %IN2", **ONE_INPUT}, ["command: no input stream IN2 is declared"]),
        ({"command": "x %OUT"}, ["command: no output is declared"]),
        ({"inputs": [{}]}, ["inputs[0].datasets: name at least one dataset"]),
        ({"inputs": [{"stream": "IN2", "datasets": ["d"]}]},
         ["inputs[0].stream: the primary stream is IN"]),
        ({"inputs": [{"datasets": ["d"]}] * 2}, ["inputs[1].stream: each stream once"]),
        ({"n_jobs": 2, "n_files_per_job": 1, **ONE_INPUT},
         ["n_jobs: give n_jobs or n_files_per_job, not both"]),
        ({"events_across_files": True, **ONE_INPUT},
         ["events_across_files: needs n_events_per_job"]),
        ({"tgt_max_output_gb": 2, **ONE_INPUT}, ["tgt_max_output_gb: needs n_gb_per_job"]),
        ({"base_memory_mb": 2000, "memory_mb": 2000},
         ["base_memory_mb: is a part of memory_mb"]),
        ({"max_files_per_job": 3}, ["max_files_per_job: only for a task with input"]),
        ({"n_events_per_job": 2, "n_files_per_job": 1, **ONE_INPUT},
         ["n_events_per_job: give n_files_per_job or n_events_per_job, not both"]),
        ({"n_files_per_job": 2}, ["n_files_per_job: only for a task with input"]),
        ({"site": "A", "excluded_sites": ["A"]}, ["site: is among the excluded sites too"]),
        ({"outputs": ["a", "a"]}, ["outputs: each output once"]),
        # One job an event of 10^15 would be more jobs than anybody can hold.
        ({"n_events": 10**15, "n_events_per_job": 1},
         ["n_events_per_job: would make more than 10000000 jobs"]),
        ({"n_events_per_file": 10**12, "n_events_per_job": 1, **ONE_INPUT},
         ["n_events_per_job: would make more than 10000000 jobs"]),
        ({"n_events": 10**7, "n_events_per_job": 1}, []),
    ],
)  # fmt: skip
def test_check(changes: dict[str, Any], found: list[str]) -> None:
    assert faults(**changes) == found


def test_all_faults_are_named_at_once() -> None:
    assert len(faults(command="%IN %OUT", n_gb_per_job=1.0, outputs=[])) == 3
