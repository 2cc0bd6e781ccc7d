"""The datasets of a search: points, rounds of steering, training data. Pure.

A point is a primary file of the task, one dataset a segment; so is each round of a steering
program of the user's own. So they are brokered, tried again and settled as all input is.
"""

from __future__ import annotations

from collections.abc import Iterator

from culm.wire.search import SearchSpec
from culm.wire.task_spec import MAX_FILES_PER_JOB, InputStream
from tasks.statuses import DatasetKind

_POINTS, _STEERING, _TRAINING = "points", "steering", "TRAINING"

Planned = tuple[str, str, str, bool, str, int | None]
"""name, kind, stream, is_primary, local_name, n_files_per_job"""


def points_name(segment: str) -> str:
    """The dataset of a segment's points."""
    return f"{_POINTS}.{segment}" if segment else _POINTS


def steering_name(segment: str) -> str:
    """The dataset of a segment's rounds of steering."""
    return f"{_STEERING}.{segment}" if segment else _STEERING


def is_steering(dataset_name: str) -> bool:
    """Whether a primary dataset of a search is one of rounds."""
    return dataset_name.split(".", maxsplit=1)[0] == _STEERING


def segment_of(dataset_name: str) -> str:
    """The segment that a primary dataset of a search belongs to."""
    return dataset_name.partition(".")[2]


def training_stream(search: SearchSpec, segment: str) -> str:
    """The stream of a segment's training files."""
    if not segment:
        return _TRAINING
    return f"{_TRAINING}{search.segment_names.index(segment) + 1}"


def training_streams(search: SearchSpec | None) -> tuple[InputStream, ...]:
    """The training data, one stream a segment; each job gets all files of its stream."""
    if search is None or not search.training_datasets:
        return ()
    if not search.segments:
        return (InputStream(stream=_TRAINING, datasets=search.training_datasets),)
    return tuple(
        InputStream(stream=training_stream(search, segment.name), match=segment.files,
                    datasets=segment.datasets or search.training_datasets)
        for segment in search.segments
    )  # fmt: skip


def search_datasets(search: SearchSpec) -> Iterator[Planned]:
    """The datasets that a search reads."""
    kind = str(DatasetKind.SEQ_NUMBER)
    for segment in search.segment_names:
        yield points_name(segment), kind, "IN", True, "", search.n_points_per_job
        if search.steering_command is not None:
            yield steering_name(segment), kind, "IN", True, "", 1
    for stream in training_streams(search):
        for name in dict.fromkeys(stream.datasets):
            yield (name.rstrip("/"), str(DatasetKind.INPUT), stream.stream, False, "",
                   MAX_FILES_PER_JOB)  # fmt: skip
