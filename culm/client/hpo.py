"""Hpo: what a user says to `phpo`, and the task specification that it means.

Each field of `Hpo` is an option of `culm hpo` too, spelt as PanDA users know it (documentation,
4.1.3). Options that `prun` has as well mean the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from culm.client.prun import Prun, listed, option, specification
from culm.client.search_files import (
    MAX_FAULTS,
    Document,
    Reader,
    read_document,
    segments,
    spaces,
    wrong,
)
from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.wire.codec import decode, encode
from culm.wire.search import Sampler, SearchSpec, Segment
from culm.wire.task_spec import TaskSpec

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
_SHARED = [f.name for f in fields(Hpo) if f.name in _PRUN]
_FLAGS_OF_SEARCH = {
    "sampler": "--sampler", "seed": "--seed", "max_points": "--maxPoints",
    "max_evaluation_jobs": "--maxEvaluationJobs", "space": "--searchSpaceFile",
    "n_parallel_evaluation": "--nParallelEvaluation", "n_points_per_job": "--nPointsPerJob",
    "n_points_per_iteration": "--nPointsPerIteration",
    "min_unevaluated_points": "--minUnevaluatedPoints", "steering_command": "--steeringExec",
    "steering_container": "--steeringContainer", "evaluation_container": "--evaluationContainer",
    "input_name": "--evaluationInput", "training_name": "--evaluationTrainingData",
    "output_name": "--evaluationOutput", "metadata_name": "--evaluationMeta",
    "metrics_name": "--evaluationMetrics", "training_datasets": "--trainingDS",
    "segments": "--segmentSpecFile", "checkpoint_paths": "--checkPointToSave",
    "checkpoint_load_as": "--checkPointToLoad", "checkpoint_minutes": "--checkPointInterval",
}  # fmt: skip
_FLAGS_OF_PRUN = {"--exec": "--evaluationExec", "--outputs": "--evaluationMetrics"}


def hpo(**options: Any) -> Hpo:
    """Options by name, as Python (`max_points`) or PanDA (`maxPoints`) spells them.

    Raises:
        InvalidRequest: an option is unknown; the nearest one is named.
    """
    return Hpo(**_named(options, ""))


def loaded(options: Hpo, read: Reader) -> Hpo:
    """The options with those of the file that `--loadJson` names; what was given wins.

    Raises:
        InvalidRequest: as `options_in` says.
    """
    if options.load_json is None:
        return options
    found = options_in(options.load_json, read)
    return replace(options, **{k: v for k, v in found.items() if _is_default(options, k)})


def options_in(path: str, read: Reader) -> dict[str, Any]:
    """The options in a file that `--loadJson` names, by the fields of `Hpo`.

    Raises:
        InvalidRequest: an option is unknown or of the wrong type; its line is named.
    """
    document = read_document("--loadJson", path, read)
    if not isinstance(document.value, dict):
        needed = "an object of options is needed"
        raise wrong([FieldFault(document.at(), ascii(document.value)[:80], needed)])
    return _named(document.value, document)


def _is_default(options: Hpo, name: str) -> bool:
    default = next(f.default for f in fields(Hpo) if f.name == name)
    return bool(getattr(options, name) == default)


def _named(options: Mapping[str, Any], document: Document | str) -> dict[str, Any]:
    spelled = {flag.removeprefix("--"): name for name, flag in OPTIONS.items()}
    found: dict[str, Any] = {}
    faults: list[FieldFault] = []
    for name, value in options.items():
        if len(faults) >= MAX_FAULTS:
            break
        known = spelled.get(name, name)
        where = name if isinstance(document, str) else f"{document.at(name)}: {name}"
        if known not in OPTIONS:
            words = unknown_name(name, [*OPTIONS, *spelled])
            faults.append(FieldFault(where, ascii(value)[:80], words))
            continue
        joined = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value
        needed = _type_fault(known, joined)
        if needed:
            faults.append(FieldFault(where, ascii(value)[:80], needed))
        found[known] = joined
    if faults:
        raise wrong(faults)
    return found


_WORDS = {"str": "a string is needed", "int": "a whole number is needed",
          "float": "a number is needed", "bool": "true or false is needed"}  # fmt: skip
_TYPES: Mapping[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (float, int), "bool": (bool,),
}  # fmt: skip


def _type_fault(name: str, value: Any) -> str:
    """Words for a value that an option does not take; empty if it does."""
    kind, _, optional = str(next(f.type for f in fields(Hpo) if f.name == name)).partition(" | ")
    if value is None and optional:
        return ""
    fits = isinstance(value, _TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))
    return "" if fits else _WORDS[kind]


def search_specification(
    options: Hpo, name: str, read: Reader, sandbox: str | None = None
) -> TaskSpec:
    """The task that these options mean, under this name, with this sandbox's digest.

    `read` gives the files that they name.

    Raises:
        InvalidRequest: with a fault for every option that is wrong, named by its flag.
    """
    options = loaded(options, read)
    if not (options.evaluation_exec or "").strip():
        raise wrong([FieldFault("--evaluationExec", "missing", "say what evaluates a point")])
    parts = _segments(options, read)
    shared, parts = _spaces(options, parts, read)
    try:
        spec = specification(_as_prun(options), name, None if options.no_sandbox else sandbox)
        whole = replace(spec, skip_scouts=True, search=_search(options, shared, parts))
        return decode(TaskSpec, encode(whole), "the search").check()
    except InvalidRequest as error:
        raise by_search_flags(error) from error


def _as_prun(options: Hpo) -> Prun:
    """What prun would be told for the same jobs."""
    shared = {name: getattr(options, name) for name in _SHARED}
    return Prun(exec=options.evaluation_exec or "", outputs=options.evaluation_metrics, **shared)


def _search(options: Hpo, space: dict[str, Any], parts: Sequence[Segment]) -> SearchSpec:
    sampler: Any = options.sampler  # decoding says what it may be
    return SearchSpec(
        space=space, sampler=sampler, seed=options.seed, max_points=options.max_points,
        max_evaluation_jobs=options.max_evaluation_jobs,
        n_parallel_evaluation=options.n_parallel_evaluation,
        n_points_per_iteration=options.n_points_per_iteration,
        min_unevaluated_points=options.min_unevaluated_points,
        n_points_per_job=options.n_points_per_job, steering_command=options.steering_exec,
        steering_container=options.steering_container,
        evaluation_container=options.evaluation_container, input_name=options.evaluation_input,
        training_name=options.evaluation_training_data, output_name=options.evaluation_output,
        metadata_name=options.evaluation_meta, metrics_name=options.evaluation_metrics,
        training_datasets=listed(options.training_ds), segments=tuple(parts),
        checkpoint_paths=listed(options.check_point_to_save),
        checkpoint_load_as=options.check_point_to_load,
        checkpoint_minutes=options.check_point_interval,
    )  # fmt: skip


def _segments(options: Hpo, read: Reader) -> list[Segment]:
    if options.segment_spec_file is None:
        return []
    return segments(read_document("--segmentSpecFile", options.segment_spec_file, read))


def _spaces(
    options: Hpo, parts: list[Segment], read: Reader
) -> tuple[dict[str, Any], list[Segment]]:
    """The space that all share, and the segments with those of their own."""
    if options.search_space_file is None:
        if options.steering_exec is None:
            needed = "name the file with the search space, or give --steeringExec"
            raise wrong([FieldFault("--searchSpaceFile", "missing", needed)])
        return {}, parts
    document = read_document("--searchSpaceFile", options.search_space_file, read)
    found = spaces(document, len(parts))
    if len(found) == 1:
        return found[0], parts
    return {}, [replace(part, space=space) for part, space in zip(parts, found, strict=True)]


def by_search_flags(error: InvalidRequest) -> InvalidRequest:
    """The same error with its faults named by the options that they came from."""
    faults = [_by_flag(fault) for fault in error.faults]
    return InvalidRequest(error.message, faults=faults, hint="culm hpo --help")


def _by_flag(fault: FieldFault) -> FieldFault:
    head, _, rest = fault.field.partition(".")
    if head != "search":
        return FieldFault(_FLAGS_OF_PRUN.get(fault.field, fault.field), fault.value, fault.needed)
    name, _, inner = rest.partition(".")
    name = name.partition("[")[0]
    flag = _FLAGS_OF_SEARCH.get(name, fault.field)
    words = fault.needed
    for field_name, own in _FLAGS_OF_SEARCH.items():
        if "_" in field_name:
            words = words.replace(field_name, own)
    return FieldFault(f"{flag} {inner}".strip(), fault.value, words)
