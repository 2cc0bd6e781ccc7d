"""cwltool's checked objects → the plan. After this nothing of cwltool is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush
from typing import Any

from culm.core.errors import FieldFault
from cwl.bundle import name_of
from cwl.conditions import NOT_TERMINATED
from cwl.dialect import LOOP_HINT
from cwl.files import by_location
from cwl.loading import Loaded
from cwl.nodes import file_of, ident_of, place_of, plain, short
from cwl.parts import (
    inputs_of,
    link_names,
    loop_of,
    merged,
    named_link,
    scatter_of,
    scripts_of,
)
from cwl.plan import (
    MAIN,
    PARAMETER,
    TO_TERMINATE,
    Kind,
    Link,
    LinkMerge,
    Loop,
    NamedLink,
    PickValue,
    Plan,
    Step,
    Tool,
    Workflow,
)
from cwl.pseudo_tools import LABEL, PSEUDO_TOOLS

_ORIGINAL = "http://commonwl.org/cwltool#original_cwlVersion"


def lower(loaded: Loaded) -> Plan | list[FieldFault]:
    """The plan that a loaded process means, or what of it cannot be planned.

    A tool alone becomes a workflow of one step.
    """
    process, lowering = loaded.process, _Lowering(loaded.places, loaded.dialect)
    if process.tool["class"] == "Workflow":
        lowering.workflow(process, MAIN)
    else:
        lowering.workflows[MAIN] = _around(process, lowering)
    if lowering.faults:
        return lowering.faults
    workflows = {name: lowering.workflows[name] for name in _used(lowering.workflows)}
    return Plan(workflows=workflows, tools=lowering.tools, lenient=loaded.dialect)


@dataclass(slots=True)
class _Lowering:
    """The plan as it grows."""

    places: Mapping[str, str]
    dialect: bool
    workflows: dict[str, Workflow] = field(default_factory=dict)
    tools: dict[str, Tool] = field(default_factory=dict)
    faults: list[FieldFault] = field(default_factory=list)

    def workflow(self, process: Any, name: str = "", file: str = "") -> str:
        """The name in the plan of a workflow; the same one twice is there once.

        `file` is the one that it stands in, if it is a part of a step and has no name.
        """
        file = name_of(process.tool["id"]) or file
        # cwltool shuffles them; the names in the plan must not depend on that.
        steps = sorted(process.steps, key=lambda step: (step.tool.lc.line, str(step.id)))
        names = link_names(process, steps)
        made = Workflow(
            name=name or file_of(process.tool["id"], file),
            place=place_of(process.tool, file),
            inputs=inputs_of(process, file, self.places),
            steps=tuple(_in_order([self._step(step, file, names) for step in steps])),
            outputs=tuple(named_link(o, "outputSource", names) for o in process.tool["outputs"]),
        )
        return _keep(self.workflows, made.name, made)

    def tool(self, process: Any, file: str) -> str:
        """The name in the plan of a standard tool that is in this file, or named by it."""
        made = Tool(
            document=by_location(plain(process.tool)),
            requirements=tuple(merged(process.requirements)),
            hints=tuple(merged(process.hints)),
            cwl_version=str(process.metadata.get(_ORIGINAL) or ""),
            place=place_of(process.tool, file),
        )
        return _keep(self.tools, file_of(process.tool["id"], file), made)

    def loop_body(self, name: str) -> str:
        """A workflow as the body of one of PanDA's loops: what its junctions say is its output.

        Of several junctions one that terminates is enough, and the last one that sets a
        parameter counts; a parameter that none sets stays as it was.
        """
        body = self.workflows[name]
        junctions = [step.name for step in body.steps if step.kind is Kind.JUNCTION]
        parameters = _parameters(body)
        steps = tuple(_deciding(step, parameters) for step in body.steps)
        decided = [
            _decision(key, (*(f"{name}/{key}" for name in reversed(junctions)), key))
            for key in parameters
        ]
        ends = tuple(f"{name}/{TO_TERMINATE}" for name in junctions)
        link = Link(sources=ends, merge=LinkMerge.NESTED, pick=PickValue.ANY_TRUE)
        outputs = (*body.outputs, *decided, NamedLink(name=TO_TERMINATE, link=link))
        made = replace(body, name=f"{name} (loop)", steps=steps, outputs=outputs)
        return _keep(self.workflows, made.name, made)

    def _step(self, step: Any, file: str, names: Mapping[str, str]) -> Step:
        kind, runs = self._what_runs(step.embedded_tool, file)
        place = place_of(step.tool, file)
        made = Step(
            name=short(step.id),
            kind=kind,
            runs=runs,
            place=self.places.get(file_of(step.id, file), self.places.get(place, place)),
            inputs=tuple(named_link(given, "source", names) for given in step.tool["in"]),
            outputs=tuple(short(ident_of(out)) for out in step.tool["out"]),
            scatter=scatter_of(step.tool),
            when="" if step.tool.get("loop") is not None else step.tool.get("when") or "",
            loop=loop_of(step),
            scripts=scripts_of(step),
        )
        hint = _loop_hint(step)
        return made if hint is None or kind is not Kind.WORKFLOW else self._panda_loop(made, hint)

    def _panda_loop(self, step: Step, hint: Mapping[str, Any]) -> Step:
        body = self.loop_body(step.runs)
        parameters = _parameters(self.workflows[body])
        given = {named.name for named in step.inputs}
        started = [
            NamedLink(name=key, link=Link(default=default))
            for key, default in parameters.items()
            if key not in given
        ]
        ends = NamedLink(name=TO_TERMINATE, link=Link(default=False))
        carry = tuple(
            NamedLink(name=key, link=Link(sources=(key,))) for key in (*parameters, TO_TERMINATE)
        )
        limit = int(hint["maxIterations"])
        loop = Loop(continue_when=NOT_TERMINATED, carry=carry, max_iterations=limit)
        return replace(step, runs=body, inputs=(*step.inputs, *started, ends), loop=loop)

    def _what_runs(self, process: Any, file: str) -> tuple[Kind, str]:
        kind = process.tool["class"]
        pseudo = PSEUDO_TOOLS.get(str(process.tool.get("label") or "").removeprefix(LABEL))
        if kind == "Workflow":
            return Kind.WORKFLOW, self.workflow(process, file=file)
        if kind == "Operation" and pseudo is not None and self.dialect:
            return pseudo.kind, ""
        if kind not in ("CommandLineTool", "ExpressionTool"):
            words = "an abstract step cannot run: give it a tool, prun, phpo or junction"
            self.faults.append(FieldFault(place_of(process.tool, file), kind, words))
        return Kind.TOOL, self.tool(process, file)


def _used(workflows: Mapping[str, Workflow]) -> list[str]:
    """The workflows that are reached from the main one, it first."""
    found = [MAIN]
    for name in found:
        found += [s.runs for s in workflows[name].steps
                  if s.kind is Kind.WORKFLOW and s.runs not in found]  # fmt: skip
    return list(dict.fromkeys(found))


def _around(process: Any, lowering: _Lowering) -> Workflow:
    """A workflow whose one step is this tool."""
    file = name_of(process.tool["id"]) or ""
    name = file.rpartition("/")[2].partition(".")[0] or "tool"
    inputs = inputs_of(process, file, lowering.places)
    outputs = tuple(short(out["id"]) for out in process.tool["outputs"])
    step = Step(
        name=name,
        kind=Kind.TOOL,
        runs=lowering.tool(process, file),
        place=place_of(process.tool, file),
        inputs=tuple(NamedLink(name=i.name, link=Link(sources=(i.name,))) for i in inputs),
        outputs=outputs,
    )
    links = tuple(NamedLink(name=o, link=Link(sources=(f"{name}/{o}",))) for o in outputs)
    return Workflow(name=MAIN, place=step.place, inputs=inputs, steps=(step,), outputs=links)


def _keep(table: dict[str, Any], name: str, value: Any) -> str:
    """The name under which a value is in a table: a new one if the name means another value."""
    found, number = name, 1
    while found in table and table[found] != value:
        number += 1
        found = f"{name}@{number}"
        if isinstance(value, Workflow):
            value = replace(value, name=found)
    table[found] = value
    return found


def _deciding(step: Step, parameters: Mapping[str, Any]) -> Step:
    if step.kind is not Kind.JUNCTION:
        return step
    names = dict.fromkeys((*step.outputs, *parameters, TO_TERMINATE))
    return replace(step, outputs=tuple(names))


def _decision(name: str, sources: tuple[str, ...]) -> NamedLink:
    return NamedLink(name=name, link=Link(sources=sources, pick=PickValue.FIRST_OR_NULL))


def _parameters(workflow: Workflow) -> dict[str, Any]:
    return {i.name: i.default for i in workflow.inputs if i.name.startswith(PARAMETER)}


def _loop_hint(step: Any) -> Mapping[str, Any] | None:
    # The step's own hints: `step.hints` also holds those of the steps around it.
    hints = step.tool.get("hints") or []
    return next((hint for hint in hints if hint.get("class") == LOOP_HINT), None)


def _in_order(steps: list[Step]) -> Iterator[Step]:
    """Steps after those that they take from, else in the order of their lines."""
    left = {step.name: _parents(step) for step in steps}
    users: dict[str, list[Step]] = {step.name: [] for step in steps}
    for step in steps:
        for parent in left[step.name]:
            users[parent].append(step)
    ready = [(_line(step), step.name) for step in steps if not left[step.name]]
    by_name = {step.name: step for step in steps}
    heapify(ready)
    while ready:
        _, name = heappop(ready)
        yield by_name[name]
        for user in users[name]:
            left[user.name].discard(name)
            if not left[user.name]:
                heappush(ready, (_line(user), user.name))


def _parents(step: Step) -> set[str]:
    links = [source for given in step.inputs for source in given.link.sources]
    return {source.rpartition("/")[0] for source in links} - {""}


def _line(step: Step) -> int:
    return int(step.place.rpartition(":")[2])
