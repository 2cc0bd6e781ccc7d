"""What the tests of workflows are made of: bundles, plans of them, walks that are told outcomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cwl.bundle import Bundle
from cwl.expressions import answers
from cwl.javascript import run_scripts
from cwl.loading import load
from cwl.lowering import lower
from cwl.outcomes import Outcome, Start, Status
from cwl.plan import Kind, Plan
from cwl.searches import with_files
from cwl.walk import Run, Walk
from cwl.worker import look_at

DATA = Path(__file__).parent / "data" / "cwl"
NAME = "user.alice.w"


def documents(**more: str) -> dict[str, str]:
    """The documentation's workflows by name, and texts by theirs (`a_cwl` for `a.cwl`).

    The files of its search are ours: it shows none.
    """
    paths = (path for path in DATA.rglob("*") if path.is_file())
    files = {str(path.relative_to(DATA)): path.read_text() for path in paths}
    return files | {name.replace("_cwl", ".cwl").replace("_yaml", ".yaml"): text
                    for name, text in more.items()}  # fmt: skip


def a_workflow(steps: str, *, head: str = "inputs: []\noutputs: []") -> str:
    """A workflow of these steps, indented as in its document."""
    return f"cwlVersion: v1.2\nclass: Workflow\n{head}\nsteps:\n{steps}"


def prun(name: str, *lines: str, outputs: str = "a.txt", run: str = "prun") -> str:
    """A step that runs a task; its inputs are given as lines."""
    given = "".join(f"      {line}\n" for line in lines)
    return (
        f"  {name}:\n    run: {run}\n    in:\n      opt_exec: {{default: 'echo'}}\n"
        f"      opt_args: {{default: '--outputs {outputs}'}}\n{given}    out: [outDS]\n"
    )


def planned(cwl: str, **more: str) -> Plan:
    """The plan of a document's text, or of one of the documentation's by name."""
    files = documents(**more)
    name = cwl if cwl in files else "main.cwl"
    bundle = Bundle(files=files if name == cwl else files | {name: cwl}, cwl=name)
    loaded = load(bundle)
    assert not isinstance(loaded, list), [str(fault) for fault in loaded]
    plan = lower(loaded)
    assert isinstance(plan, Plan), [str(fault) for fault in plan]
    return with_files(plan, bundle)


def refused(cwl: str, yaml: str = "", **more: str) -> list[str]:
    """The faults of a document (as `planned` takes it), in words."""
    files = documents(**more)
    name = cwl if cwl in files else "main.cwl"
    files = files if name == cwl else files | {name: cwl}
    if yaml and yaml not in files:
        files, yaml = files | {"inputs.yaml": yaml}, "inputs.yaml"
    reply = look_at(Bundle(files=files, cwl=name, yaml=yaml), NAME)
    assert "faults" in reply, reply["steps"]
    return ["{field}: {value} - {needed}".format(**fault) for fault in reply["faults"]]


def answer(questions: Sequence[Any]) -> list[Any]:
    return answers(questions, run_scripts)


def a_walk(plan: Plan, **inputs: Any) -> Walk:
    return Walk(plan, Run(inputs=inputs, name=NAME), answer)


def good(**outputs: Any) -> Outcome:
    return Outcome(status=Status.SUCCEEDED, outputs=outputs)


def bad(reason: str = "it broke") -> Outcome:
    return Outcome(status=Status.FAILED, reason=reason)


PRODUCING = Outcome(status=Status.PRODUCING)

Decide = Callable[[Start], Outcome]


def well(start: Start) -> Outcome:
    """Everything succeeds; junctions end their loops at once."""
    return good(to_terminate=True) if start.kind is Kind.JUNCTION else good()


def walk_to_the_end(walk: Walk, decide: Decide = well) -> dict[str, Start]:
    """All that started, by id, when everything that starts ends at once as decided."""
    found: dict[str, Start] = {}
    told: Mapping[str, Outcome] = {}
    while starts := walk.advance(told):
        assert not found.keys() & {start.id for start in starts}, "started twice"
        found |= {start.id: start for start in starts}
        told = {start.id: decide(start) for start in starts}
    return found
