"""SearchSpec: what makes a task a hyperparameter search (documentation, 4.1.3)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from culm.core import names
from culm.core.errors import FieldFault
from culm.wire.search_space import space_faults

MAX_POINTS = 100_000
MAX_SEGMENTS = 1000
VERY_LARGE_LOSS = 1e30
"""What is booked for a point whose tries all failed, so that the search goes on."""
MAX_CHECKPOINT_MB = 100
STEERING_PLACEHOLDERS = ("%NUM_POINTS", "%MAX_POINTS", "%IN", "%OUT")
SEGMENT_NAME = "%SEGMENT_NAME"

_FILE = {"pattern": names.LFN, "rule": f"a file name is {names.LFN_RULE}"}
_PATH = {
    "pattern": re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._+=@:-]*/?)+"),
    "rule": "a path in the work directory, without .. and not absolute",
}
_DATASET = {"pattern": names.DATASET, "rule": f"a dataset name is {names.LFN_RULE}"}
_IMAGE = {"longest": 1000}


class Sampler(StrEnum):
    """The built-in ways to choose new points."""

    TPE = "tpe"
    CMAES = "cmaes"
    RANDOM = "random"
    GRID = "grid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A model of its own: its part of the training data, by files or by datasets.

    `space` is its search space; empty: that of the search.
    """

    name: str = field(metadata={"pattern": names.USER, "rule": "letters, digits and ._-"})
    files: tuple[str, ...] = field(default=(), metadata=_FILE)
    datasets: tuple[str, ...] = field(default=(), metadata=_DATASET)
    space: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSpec:
    """How points are chosen and evaluated. Limits on points hold for each segment.

    Points are chosen by `sampler`, or by `steering_command`, which a pilot runs. An evaluation
    job runs the task's command for each of its points: it finds the point in `input_name`, the
    names of its training files in `training_name`, and writes its loss to `output_name`.
    `checkpoint_paths` are saved every `checkpoint_minutes` and handed to the next try, as one
    tarball named `checkpoint_load_as` if that is said.
    """

    space: dict[str, Any] = field(default_factory=dict)
    sampler: Sampler | None = None
    seed: int | None = field(default=None, metadata={"minimum": 0, "maximum": 2**31 - 1})
    max_points: int = field(default=10, metadata={"minimum": 1, "maximum": MAX_POINTS})
    max_evaluation_jobs: int | None = field(
        default=None, metadata={"minimum": 1, "maximum": 100 * MAX_POINTS}
    )
    n_parallel_evaluation: int = field(default=1, metadata={"minimum": 1, "maximum": MAX_POINTS})
    n_points_per_iteration: int = field(default=2, metadata={"minimum": 1, "maximum": MAX_POINTS})
    min_unevaluated_points: int = field(default=0, metadata={"minimum": 0, "maximum": MAX_POINTS})
    n_points_per_job: int = field(default=1, metadata={"minimum": 1, "maximum": 1000})
    steering_command: str | None = field(
        default=None, metadata={"multiline": True, "longest": 65_536}
    )
    steering_container: str | None = field(default=None, metadata=_IMAGE)
    evaluation_container: str | None = field(default=None, metadata=_IMAGE)
    input_name: str = field(default="input.json", metadata=_FILE)
    training_name: str = field(default="input_ds.json", metadata=_FILE)
    output_name: str = field(default="output.json", metadata=_FILE)
    metadata_name: str | None = field(default=None, metadata=_FILE)
    metrics_name: str | None = field(default=None, metadata=_FILE)
    training_datasets: tuple[str, ...] = field(default=(), metadata=_DATASET)
    segments: tuple[Segment, ...] = ()
    checkpoint_paths: tuple[str, ...] = field(default=(), metadata=_PATH)
    checkpoint_load_as: str | None = field(default=None, metadata=_FILE)
    checkpoint_minutes: float = field(default=5.0, metadata={"minimum": 0.001, "maximum": 1440})

    @property
    def segment_names(self) -> tuple[str, ...]:
        """The names of the segments; one empty name if there are none."""
        return tuple(segment.name for segment in self.segments) or ("",)

    @property
    def most_jobs(self) -> int:
        """How many evaluation jobs the search may have in all."""
        return self.max_evaluation_jobs or 2 * self.max_points * len(self.segment_names)

    def space_of(self, segment: str) -> dict[str, Any]:
        """The search space of a segment."""
        own = next((s.space for s in self.segments if s.name == segment), {})
        return own or self.space


def search_faults(search: SearchSpec) -> Iterator[FieldFault]:
    """Everything that does not fit together in a search."""
    yield from _steering_faults(search)
    yield from _number_faults(search)
    yield from _name_faults(search)
    yield from _segment_faults(search)


def _steering_faults(search: SearchSpec) -> Iterator[FieldFault]:
    own = search.steering_command
    if own is None:
        if search.steering_container is not None:
            needed = "needs a steering command to run in it"
            yield FieldFault("search.steering_container", search.steering_container, needed)
        for segment in search.segments:
            if segment.space or not search.space:
                where = f"search.segments.{segment.name}.space"
                yield from space_faults(search.space_of(segment.name), where)
        if search.space or not search.segments:
            yield from space_faults(search.space, "search.space")
        return
    if search.sampler is not None:
        needed = "not together with a steering command, which chooses the points itself"
        yield FieldFault("search.sampler", search.sampler, needed)
    for name in ("%NUM_POINTS", "%OUT"):
        if name not in own:
            needed = f"must hold {name}: see {', '.join(STEERING_PLACEHOLDERS)}"
            yield FieldFault("search.steering_command", ascii(own)[:80], needed)


def _number_faults(search: SearchSpec) -> Iterator[FieldFault]:
    if search.min_unevaluated_points >= search.n_points_per_iteration:
        yield FieldFault(
            "search.min_unevaluated_points", str(search.min_unevaluated_points),
            f"must be below n_points_per_iteration, {search.n_points_per_iteration}: each round "
            "makes the difference",
        )  # fmt: skip
    if search.checkpoint_load_as is not None and not search.checkpoint_paths:
        needed = "needs checkpoint_paths"
        yield FieldFault("search.checkpoint_load_as", search.checkpoint_load_as, needed)
    for path in search.checkpoint_paths:
        if ".." in path.split("/"):
            yield FieldFault("search.checkpoint_paths", path, str(_PATH["rule"]))


def _name_faults(search: SearchSpec) -> Iterator[FieldFault]:
    seen: set[str] = set()
    for name in ("input_name", "training_name", "output_name", "metadata_name", "metrics_name"):
        value = getattr(search, name)
        if value is not None and value in seen:
            yield FieldFault(f"search.{name}", value, "each file needs a name of its own")
        seen.add(value or "")


def _segment_faults(search: SearchSpec) -> Iterator[FieldFault]:
    if len(search.segments) > MAX_SEGMENTS:
        shown = f"{len(search.segments)} segments"
        yield FieldFault("search.segments", shown, f"at most {MAX_SEGMENTS}")
    seen: set[str] = set()
    known = {name.rstrip("/") for name in search.training_datasets}
    for segment in search.segments:
        where = f"search.segments.{segment.name}"
        if segment.name in seen:
            yield FieldFault(f"{where}.name", segment.name, "each segment needs a name of its own")
        seen.add(segment.name)
        if bool(segment.files) == bool(segment.datasets):
            shown = "both" if segment.files else "neither"
            yield FieldFault(where, shown, "give files or datasets of the training dataset")
        for name in segment.datasets:
            if name.rstrip("/") not in known:
                yield FieldFault(f"{where}.datasets", name, "is not among training_datasets")
    if search.segments and not search.training_datasets:
        yield FieldFault("search.training_datasets", "empty", "segments need training data")
