"""What the walk is told of instances, and what it tells to start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from culm.client.prun import listed, secondary_streams
from cwl.plan import Kind


class Status(StrEnum):
    """How far an instance is, as far as others care."""

    STARTED = "started"
    PRODUCING = "producing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an instance so far. Told again, only a later status counts.

    `producing` means that some of its output is there. `outputs` hold the values of a tool, or
    what a junction decided (`cwl.junctions.decision`).
    """

    status: Status
    outputs: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task as it is to be submitted: its name, and the options that are known of it.

    `options` are those of `culm.client.prun.Prun` (of a search: `culm.client.hpo.Hpo`) by the
    names of its fields; `others` are options that it does not have, by PanDA's names. `outputs`
    are the ends of the names of its datasets, `files` those that a search may name, by path.
    """

    name: str
    options: Mapping[str, Any]
    outputs: tuple[str, ...]
    others: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets that it will write."""
        return tuple(f"{self.name}_{output}" for output in self.outputs)

    def reads(self) -> list[str]:
        """The datasets that it reads."""
        named = [name for key in ("in_ds", "training_ds") for name in listed(self.options.get(key))]
        streams = secondary_streams(self.options.get("secondary_dss"), [])
        return [*named, *(name for stream in streams for name in stream.datasets)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An instance that can start now: a task, or a tool with its inputs.

    `id` is stable: the same plan and the same outcomes give it again (`003_merge_2`). `path` says
    where it is (`work_loop#2/merge`). `parents` are the instances that it takes from; those in
    `beside` have not ended: it takes their files as they come.
    """

    id: str
    path: str
    step: str
    kind: Kind
    place: str
    parents: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    task: Task | None = None
    tool: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a step did not do what it was there for: `blocked` ones never started."""

    path: str
    place: str
    reason: str
    id: str = ""
    blocked: bool = False

    def __str__(self) -> str:
        return f"{self.place} {self.path}: {self.reason}"
