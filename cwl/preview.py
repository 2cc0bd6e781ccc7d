"""Every step of a plan as it would run, without running anything; or everything that is wrong.

Tasks are walked through as if each one succeeded and each loop ended after its first iteration;
what a condition keeps back is shown all the same. Of tools nobody knows the outputs before they
ran: a plan with tools is shown step by step as it stands.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from culm.core.errors import CulmError, FieldFault, InvalidRequest
from culm.wire.workflows import StepAsRun
from cwl.expressions import Answers
from cwl.naming import Numbers, instance_id
from cwl.outcomes import Outcome, Start, Status
from cwl.plan import MAIN, TO_TERMINATE, Kind, Plan, Step
from cwl.specifications import flag_of, specification_of
from cwl.walk import Run, Walk

SHOWN = 1000
"""So many steps are shown of a workflow that has more."""


@dataclass(frozen=True, slots=True)
class Preview:
    """The steps (the first of them, if there are many), and how many there are.

    `datasets` are those that must be there before: each with the place of a step that reads it.
    """

    steps: tuple[StepAsRun, ...]
    n_steps: int
    datasets: dict[str, str] = field(default_factory=dict)


def preview(plan: Plan, run: Run, answer: Answers) -> Preview | list[FieldFault]:
    """The steps of a plan as they would run with these inputs, or everything that is wrong."""
    if plan.tools:
        shown = list(_standing(plan))
        return Preview(tuple(shown[:SHOWN]), len(shown))
    walk = Walk(plan, run, answer, assume=True)
    starts = _walked(walk)
    faults = list(_faults(walk, starts))
    if faults:
        return faults
    conditions = {step.place: step for flow in plan.workflows.values() for step in flow.steps}
    ordered = sorted(starts, key=lambda start: _numbers(start.id))
    shown = [_as_run(start, conditions[start.place]) for start in ordered[:SHOWN]]
    return Preview(tuple(shown), len(starts), _read(starts))


def _read(starts: list[Start]) -> dict[str, str]:
    """The datasets that no step writes, and where each is read first."""
    tasks = [(start, start.task) for start in starts if start.task is not None]
    written = {dataset for _, task in tasks for dataset in task.datasets}
    found: dict[str, str] = {}
    for start, task in tasks:
        for name in task.reads():
            if name not in written:
                found.setdefault(name, f"{start.place} {start.path}")
    return found


def _walked(walk: Walk) -> list[Start]:
    found = list(starting := walk.advance())
    while starting:
        told = {start.id: _good(start) for start in starting}
        found += (starting := walk.advance(told))
    return found


def _good(start: Start) -> Outcome:
    decided = {TO_TERMINATE: True} if start.kind is Kind.JUNCTION else {}
    return Outcome(status=Status.SUCCEEDED, outputs=decided)


def _faults(walk: Walk, starts: list[Start]) -> Iterator[FieldFault]:
    told = set()
    for failure in walk.failures:
        if not failure.blocked and (failure.place, failure.reason) not in told:
            told.add((failure.place, failure.reason))
            yield FieldFault(f"{failure.place} {failure.path}", "cannot run", failure.reason)
    looked_at: dict[str, int] = {}
    for start in starts:
        # Branches differ in names of datasets only: a few of them show what is wrong with all.
        looked_at[start.place] = looked_at.get(start.place, 0) + 1
        if looked_at[start.place] <= 5:
            yield from _faults_of_task(start)


def _faults_of_task(start: Start) -> Iterator[FieldFault]:
    if start.task is None:
        return
    place = f"{start.place} {start.path}"
    try:
        specification_of(start.kind, start.task)
    except InvalidRequest as error:
        for fault in error.faults:
            yield FieldFault(f"{place} {fault.field}", fault.value, fault.needed)
        if not error.faults:
            yield FieldFault(place, "not taken", error.message)
    except CulmError as error:
        yield FieldFault(place, "not taken", error.message)


def _as_run(start: Start, step: Step) -> StepAsRun:
    return StepAsRun(
        id=start.id,
        name=start.step,
        type=str(start.kind),
        place=start.place,
        path=start.path,
        parents=start.parents,
        inputs=_options(start),
        outputs=start.task.datasets if start.task else (),
        when=step.when,
        loop="#" in start.path,
    )


def _options(start: Start) -> dict[str, Any]:
    """The options of a task by their flags."""
    if start.task is None:
        return dict(start.inputs)
    flags = {flag_of(start.kind, name): v for name, v in start.task.options.items()}
    shown = {"--exec": flags.pop("--exec", None), "--inDS": flags.pop("--inDS", None), **flags}
    shown |= {f"--{name}": value for name, value in start.task.others.items()}
    return {name: value for name, value in shown.items() if value is not None}


def _numbers(ident: str) -> tuple[int, list[int]]:
    number, _, rest = ident.partition("_")
    return int(number), [int(part) for part in rest.split("_") if part.isdecimal()]


def _standing(plan: Plan) -> Iterator[StepAsRun]:
    numbers = Numbers(plan)

    def go(workflow: str, path: str, offset: int, loop: bool) -> Iterator[StepAsRun]:
        for step in plan.workflows[workflow].steps:
            number = offset + numbers.offset(workflow, step.name)
            here, again = f"{path}{step.name}", loop or step.loop is not None
            if step.kind is Kind.WORKFLOW:
                yield from go(step.runs, f"{here}/", number, again)
            else:
                yield _as_it_stands(step, here, number, again)

    return go(MAIN, "", 0, False)


def _as_it_stands(step: Step, path: str, number: int, loop: bool) -> StepAsRun:
    sources = [source for given in step.inputs for source in given.link.sources]
    owners = (source.rpartition("/")[0] for source in sources)
    return StepAsRun(
        id=instance_id(number, step.name, ()),
        name=step.name,
        type=step.runs or str(step.kind),
        place=step.place,
        path=path + ("[…]" if step.scatter else ""),
        parents=tuple(dict.fromkeys(owner for owner in owners if owner)),
        inputs={
            given.name: ", ".join(given.link.sources) or given.link.value_from or given.link.default
            for given in step.inputs
        },
        outputs=step.outputs,
        when=step.when,
        loop=loop,
    )
