"""The plan: what CWL documents come to. Steps, links, scatter, conditions, loops; nothing of CWL.

A plan is made once, stored as JSON, and never loaded from its documents again. Workflows lie in a
table and are named by their steps, so a sub-workflow that is used twice is there once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from culm.core.errors import OurFault
from culm.wire.codec import decode, encode

VERSION = 1
"""The version of the plan's JSON. A change that old readers cannot take raises it."""
MAIN = "main"
"""The workflow that a plan begins with."""
MAX_ITERATIONS = 10_000
"""How often a loop runs at most where its step says nothing else."""
PARAMETER = "param_"
"""What the inputs of a loop's body begin with that are its dictionary (4.1.8 "Loops")."""
TO_TERMINATE = "to_terminate"
"""The output of a junction that ends its loop."""

_LONG: Mapping[str, Any] = {"multiline": True, "longest": 8 << 20}


def text(default: str = "") -> Any:
    """A field for text of any length, with line ends."""
    return field(default=default, metadata=_LONG)


def texts() -> Any:
    """A field for several such texts."""
    return field(default=(), metadata=_LONG)


class Kind(StrEnum):
    """What a step runs."""

    PRUN = "prun"
    PHPO = "phpo"
    JUNCTION = "junction"
    TOOL = "tool"
    WORKFLOW = "workflow"


class LinkMerge(StrEnum):
    """How the values of several sources become one (CWL 1.2, 4.2.1.2)."""

    NESTED = "merge_nested"
    FLATTENED = "merge_flattened"


class PickValue(StrEnum):
    """Which of several values is taken (CWL 1.2, 4.2.1.3); the last two are ours, for junctions."""

    FIRST = "first_non_null"
    ONLY = "the_only_non_null"
    ALL = "all_non_null"
    FIRST_OR_NULL = "first_or_null"
    ANY_TRUE = "any_true"


class ScatterMethod(StrEnum):
    """How the lists of a scatter are combined (CWL 1.2, 4.2.1.4)."""

    DOT = "dotproduct"
    NESTED = "nested_crossproduct"
    FLAT = "flat_crossproduct"


class OutputMethod(StrEnum):
    """What a loop gives: the outputs of its last iteration, or a list of all."""

    LAST = "last_iteration"
    ALL = "all_iterations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where a value comes from: `name` of a workflow's input, or `step/output`.

    `value_from` is an expression over the value as `self`; `default` stands in for null. With
    `load_contents` the expression sees the contents of its files.
    """

    sources: tuple[str, ...] = ()
    merge: LinkMerge | None = None
    pick: PickValue | None = None
    default: Any = None
    value_from: str | None = field(default=None, metadata=_LONG)
    load_contents: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedLink:
    """A link and the input or output that it feeds."""

    name: str
    link: Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An input of a workflow: its CWL type, and what stands in for null.

    With `load_contents` expressions see the contents of its files, with `secondary` files beside
    its own belong to it.
    """

    name: str
    type: Any
    default: Any = None
    load_contents: bool = False
    secondary: bool = False
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """The inputs whose lists are spread over branches."""

    over: tuple[str, ...]
    method: ScatterMethod = ScatterMethod.DOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """The one kind of loop: PanDA's, cwltool's and CWL 1.3's all come to it.

    Before an iteration `continue_when` is looked at, over the step's inputs; `carry` gives their
    values in the next one, from outputs of the last. What is not carried stays as it was.
    """

    continue_when: str = text()
    carry: tuple[NamedLink, ...] = ()
    output_method: OutputMethod = OutputMethod.LAST
    max_iterations: int = MAX_ITERATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step of a workflow. `place` is `file:line`; `runs` names a workflow or a tool of the plan.

    In `scripts` are JavaScript libraries for its expressions; None: only references are allowed.
    """

    name: str
    kind: Kind
    place: str
    runs: str = ""
    inputs: tuple[NamedLink, ...] = ()
    outputs: tuple[str, ...] = ()
    scatter: Scatter | None = None
    when: str = text()
    loop: Loop | None = None
    scripts: tuple[str, ...] | None = field(default=None, metadata=_LONG)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """Steps in an order in which each comes after those that it takes from."""

    name: str
    place: str
    inputs: tuple[Input, ...] = ()
    steps: tuple[Step, ...] = ()
    outputs: tuple[NamedLink, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A standard CWL tool, resolved: its document, and requirements and hints merged into it."""

    document: dict[str, Any]
    requirements: tuple[dict[str, Any], ...] = ()
    hints: tuple[dict[str, Any], ...] = ()
    cwl_version: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A whole plan. `lenient` plans are in PanDA's dialect: conditions are true or false by any
    value, and a failed parent is null for a child that has a condition. `files` are what the
    options of searches may name and expressions may read, by path.
    """

    workflows: dict[str, Workflow]
    tools: dict[str, Tool] = field(default_factory=dict)
    lenient: bool = False
    files: dict[str, str] = field(default_factory=dict, metadata=_LONG)
    version: int = VERSION

    @property
    def main(self) -> Workflow:
        """The workflow that it begins with."""
        return self.workflows[MAIN]

    @property
    def looks_beside(self) -> bool:
        """Whether files that lie beside the user's belong to them (CWL 1.2, `secondaryFiles`).

        Where no input of the workflow says so, a step gets only what was given to it.
        """
        return any(given.secondary for given in self.main.inputs)

    @property
    def reads_contents(self) -> bool:
        """Whether expressions of its workflows see the contents of files."""
        return any(
            any(given.load_contents for given in flow.inputs)
            or any(given.link.load_contents for step in flow.steps for given in step.inputs)
            for flow in self.workflows.values()
        )

    def asking(self, requirements: Sequence[dict[str, Any]]) -> Plan:
        """The plan with these requirements for each tool, in place of those of their classes."""
        classes = {one["class"] for one in requirements}
        tools = {}
        for name, tool in self.tools.items():
            kept = [one for one in tool.requirements if one["class"] not in classes]
            tools[name] = replace(tool, requirements=(*kept, *requirements))
        return replace(self, tools=tools)


def plan_to_json(plan: Plan) -> Any:
    """The plan as plain JSON values."""
    return encode(plan)


def plan_from_json(value: Any) -> Plan:
    """The plan that these JSON values hold.

    Raises:
        OurFault: they are of another version.
        InvalidRequest: they are no plan.
    """
    version = value.get("version") if isinstance(value, dict) else None
    if version != VERSION:
        raise OurFault(f"the plan is of version {version}; this program reads {VERSION}")
    return decode(Plan, value, "the plan")
