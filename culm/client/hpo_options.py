"""The options of `phpo`: each field of `Hpo` is an option of `culm hpo` too.

They are spelt as PanDA users know them (documentation, 4.1.3); those that `prun` has mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from culm.client.prun_options import Prun, option
from culm.wire.search import Sampler

GROUPS = {
    "search": "How many points",
    "steering": "How points are chosen",
    "evaluation": "How a point is evaluated",
    "checkpoint": "Checkpoints",
    "common": "As for prun",
}
_PRUN = {f.name: f for f in fields(Prun)}


def _same(name: str) -> Any:
    """An option that is prun's."""
    one = _PRUN[name]
    return field(default=one.default, metadata={**one.metadata, "group": "common"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hpo:
    """The options of a search; lists are comma-separated, as on the command line."""

    load_json: str | None = field(
        default=None,
        metadata=option(
            "search", "--loadJson", "Take options from this JSON file; those given here win."
        ),
    )
    n_parallel_evaluation: int = field(
        default=1,
        metadata=option(
            "search", "--nParallelEvaluation", "How many evaluation jobs run at the same time."
        ),
    )
    max_points: int = field(
        default=10,
        metadata=option("search", "--maxPoints", "How many points are evaluated, in each segment."),
    )
    max_evaluation_jobs: int | None = field(
        default=None,
        metadata=option(
            "search",
            "--maxEvaluationJobs",
            "How many evaluation jobs there may be in all (default: 2 x maxPoints, a segment).",
        ),
    )
    n_points_per_job: int = field(
        default=1,
        metadata=option("search", "--nPointsPerJob", "How many points a job evaluates in turn."),
    )
    n_points_per_iteration: int = field(
        default=2,
        metadata=option(
            "steering",
            "--nPointsPerIteration",
            "A round makes so many points, less --minUnevaluatedPoints.",
        ),
    )
    min_unevaluated_points: int = field(
        default=0,
        metadata=option(
            "steering",
            "--minUnevaluatedPoints",
            "The next round comes when fewer points than this are not evaluated yet.",
        ),
    )
    search_space_file: str | None = field(
        default=None,
        metadata=option(
            "steering",
            "--searchSpaceFile",
            "JSON file: {NAME: {method: METHOD, dimension: {…}}}, or a list: one a segment.",
        ),
    )
    sampler: str | None = field(
        default=None,
        metadata=option(
            "steering",
            "--sampler",
            f"How points are chosen: {', '.join(Sampler)} (default: tpe).",
        ),
    )
    seed: int | None = field(
        default=None,
        metadata=option("steering", "--seed", "The same seed and losses give the same points."),
    )
    steering_exec: str | None = field(
        default=None,
        metadata=option(
            "steering",
            "--steeringExec",
            "Your own program that chooses points. Replaced in it: %NUM_POINTS, %MAX_POINTS, "
            "%IN (what was evaluated), %OUT (where it writes new points).",
        ),
    )
    steering_container: str | None = field(
        default=None,
        metadata=option("steering", "--steeringContainer", "The image that it runs in."),
    )
    evaluation_exec: str | None = field(
        default=None,
        metadata=option(
            "evaluation",
            "--evaluationExec",
            "What evaluates a point. %SEGMENT_NAME in it is replaced.",
        ),
    )
    evaluation_container: str | None = field(
        default=None,
        metadata=option("evaluation", "--evaluationContainer", "The image that it runs in."),
    )
    evaluation_input: str = field(
        default="input.json",
        metadata=option("evaluation", "--evaluationInput", "Where it finds the point."),
    )
    evaluation_training_data: str = field(
        default="input_ds.json",
        metadata=option(
            "evaluation", "--evaluationTrainingData", "Where it finds the training files' names."
        ),
    )
    evaluation_output: str = field(
        default="output.json",
        metadata=option("evaluation", "--evaluationOutput", "Where it writes the loss."),
    )
    evaluation_meta: str | None = field(
        default=None,
        metadata=option(
            "evaluation", "--evaluationMeta", "A JSON file of its own, kept as job metadata."
        ),
    )
    evaluation_metrics: str | None = field(
        default=None,
        metadata=option(
            "evaluation",
            "--evaluationMetrics",
            "A tarball that it writes; the output dataset holds them.",
        ),
    )
    training_ds: str | None = field(
        default=None,
        metadata=option(
            "evaluation", "--trainingDS", "Datasets whose files every job gets, comma-separated."
        ),
    )
    segment_spec_file: str | None = field(
        default=None,
        metadata=option(
            "evaluation",
            "--segmentSpecFile",
            "JSON file: a list of {name, files or datasets}: a model of its own for each.",
        ),
    )
    check_point_to_save: str | None = field(
        default=None,
        metadata=option(
            "checkpoint",
            "--checkPointToSave",
            "Files and folders that are saved while a job runs, comma-separated.",
        ),
    )
    check_point_to_load: str | None = field(
        default=None,
        metadata=option(
            "checkpoint",
            "--checkPointToLoad",
            "Give what was saved to the next try as a tarball of this name, not unpacked.",
        ),
    )
    check_point_interval: float = field(
        default=5.0,
        metadata=option("checkpoint", "--checkPointInterval", "Minutes between two looks at them."),
    )
    out_ds: str | None = _same("out_ds")
    use_secrets: bool = _same("use_secrets")
    max_attempt: int = field(
        default=3, metadata=option("common", "--maxAttempt", "How often each point is tried.")
    )
    parent_task_id: int | None = field(
        default=None,
        metadata=option("common", "--parentTaskID", "The task that is producing --trainingDS."),
    )
    priority: int = _same("priority")
    site: str | None = _same("site")
    excluded_site: str | None = _same("excluded_site")
    n_core: int = _same("n_core")
    memory: str = _same("memory")
    disk: str = _same("disk")
    walltime: str = _same("walltime")
    vo: str | None = _same("vo")
    working_group: str | None = _same("working_group")
    activity: str | None = _same("activity")
    processing_type: str | None = _same("processing_type")
    campaign: str | None = _same("campaign")
    work_dir: str = _same("work_dir")
    no_sandbox: bool = _same("no_sandbox")
    max_file_size: str = _same("max_file_size")
    ext_file: str | None = _same("ext_file")
    exclude_file: str | None = _same("exclude_file")


OPTIONS: Mapping[str, str] = {f.name: f.metadata["flag"] for f in fields(Hpo)}
"""The flag of each field."""
