"""What options of `phpo` mean: the task specification of a search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from culm.client.hpo_options import Hpo
from culm.client.option_files import loaded, named
from culm.client.prun import listed, specification
from culm.client.prun_options import OPTIONS as OPTIONS_OF_PRUN
from culm.client.prun_options import Prun
from culm.client.search_files import (
    Reader,
    read_document,
    segments,
    spaces,
    wrong,
)
from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.codec import decode, encode
from culm.wire.search import SearchSpec, Segment
from culm.wire.task_spec import TaskSpec

_SHARED = [f.name for f in fields(Hpo) if f.name in OPTIONS_OF_PRUN]
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
    return Hpo(**named(Hpo, options))


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
