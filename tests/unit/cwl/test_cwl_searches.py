"""Steps that are searches (`run: phpo`): their options, the files that these name, and faults."""

from __future__ import annotations

import json
from typing import Any

import pytest

from culm.wire.search import Sampler
from cwl.bundle import Bundle
from cwl.outcomes import Start
from cwl.specifications import specification_of
from cwl.worker import look_at
from tests.cwl_scene import NAME, a_walk, a_workflow, documents, planned, prun, refused, well

SPACE = {"x": {"method": "uniform", "dimension": {"low": 0, "high": 1}}}
SPACE_JSON = json.dumps(SPACE)
ARGS = "--evaluationExec ./go --evaluationMetrics m.tgz --searchSpaceFile space.json"


def phpo(args: str, *lines: str) -> str:
    """A step that searches; its inputs are given as lines."""
    given = "".join(f"      {line}\n" for line in lines)
    return (f"  s:\n    run: phpo\n    in:\n      opt_args: {{default: {json.dumps(args)}}}\n"
            f"{given}    out: [outDS]\n")  # fmt: skip


def start_of(steps: str, **files: str) -> Start:
    plan = planned(a_workflow(steps), **{"space.json": SPACE_JSON} | files)
    walk = a_walk(plan)
    found = list(walk.advance())
    while found and found[-1].step != "s":
        found += walk.advance({start.id: well(start) for start in found})
    return found[-1]


def words(steps: str, **files: str) -> str:
    [found] = refused(a_workflow(steps), **{"space.json": SPACE_JSON} | files)
    return found


def test_options_become_the_specification_that_phpo_makes() -> None:
    start = start_of(
        prun("a") + phpo(ARGS + " --maxPoints 7 --sampler random --noEmail",
                         "opt_trainingDS: a/outDS", "opt_seed: {default: 3}")
    )  # fmt: skip
    assert start.task is not None
    spec = specification_of(start.kind, start.task, "a" * 64)
    search = spec.search
    assert search is not None
    assert (spec.name, spec.command, spec.outputs) == (f"{NAME}_001_s", "./go", ("m.tgz",))
    assert (spec.sandbox, spec.inputs) == ("a" * 64, ())
    assert (search.space, search.max_points, search.seed) == (SPACE, 7, 3)
    assert search.sampler is Sampler.RANDOM
    assert search.training_datasets == (f"{NAME}_000_a_a.txt",)
    assert start.task.others == {"noEmail": True}


def test_what_the_step_says_wins_over_its_file_even_a_default() -> None:
    conf = {"evaluationExec": "./go", "searchSpaceFile": "sub/../space.json", "maxPoints": 20,
            "nParallelEvaluation": 5, "outDS": "user.bob.x", "workDir": "/tmp",
            "noSandbox": True}  # fmt: skip
    start = start_of(
        phpo("--loadJson sub/./conf.json --maxPoints 10"), **{"sub/conf.json": json.dumps(conf)}
    )
    assert start.task is not None
    spec = specification_of(start.kind, start.task, "a" * 64)
    assert spec.search is not None
    assert (spec.search.max_points, spec.search.n_parallel_evaluation) == (10, 5)
    assert (spec.name, spec.sandbox, start.task.outputs) == (f"{NAME}_000_s", None, ())


def test_loop_parameter_chooses_the_file() -> None:
    body = ("cwlVersion: v1.2\nclass: Workflow\ninputs: {param_n: {type: int, default: 2}}\n"
            "outputs: {outDS: {type: string, outputSource: s/outDS}}\nsteps:\n"
            + phpo("--loadJson conf%{n}.json")
            + prun("j", "opt_inDS: s/outDS", run="junction").replace("[outDS]", "[]"))  # fmt: skip
    plan = planned(
        a_workflow("  l:\n    run: b.cwl\n    in: []\n    out: [outDS]\n    hints: [loop]\n"),
        b_cwl=body, **{"conf2.json": '{"evaluationMetrics": "two.tgz"}'},
    )  # fmt: skip
    [start] = a_walk(plan).advance()
    assert start.task is not None
    assert start.task.outputs == ("two.tgz",)


def test_check_shows_the_search_as_it_would_run() -> None:
    reply = look_at(Bundle(files=documents(), cwl="hpo.cwl"), NAME)
    shown = reply["steps"][1]
    assert (shown["type"], shown["outputs"]) == ("phpo", [f"{NAME}_001_main_hpo_metrics.tgz"])
    assert shown["inputs"]["--loadJson"] == "conf.json"
    assert shown["inputs"]["--searchSpaceFile"] == "space.json"
    assert shown["inputs"]["--trainingDS"] == f"{NAME}_000_pre_proc_seed.txt"
    assert set(reply["plan"]["files"]) >= {"conf.json", "space.json"}
    assert not [name for name in reply["plan"]["files"] if name.endswith(".cwl")]


def test_plan_without_search_keeps_no_files() -> None:
    assert look_at(Bundle(files=documents(), cwl="simple_chain.cwl"), NAME)["plan"]["files"] == {}


BROKEN = '{\n "x": {"method": "unifrom",\n "dimension": {"low": 0, "high": 1}}}'
FAULTS: list[tuple[str, dict[str, str], str]] = [
    (ARGS + " --maxPoint 3", {}, "--maxPoint is no option of phpo; did you mean --maxPoints?"),
    (ARGS + " --maxPoints few", {}, "--maxPoints few: a whole number is needed"),
    (ARGS + " --maxPoints", {}, "--maxPoints needs a value"),
    (ARGS + " --trainingDS x", {}, "--trainingDS has no place in opt_args: use opt_trainingDS"),
    (ARGS + " --outDS x", {}, "--outDS has no place in opt_args: the workflow names it"),
    (ARGS + " --sampler best", {}, "main.cwl:6 s --sampler: 'best'"),
    (ARGS + " --maxPoints 0", {}, "main.cwl:6 s --maxPoints: 0 - "),
    ("--evaluationExec ./go", {},
     "main.cwl:6 s --searchSpaceFile: missing - name the file with the search space"),
    ("--searchSpaceFile space.json", {}, "main.cwl:6 s --evaluationExec: missing"),
    (ARGS.replace("space.json", "spce.json"), {},
     "s --searchSpaceFile: spce.json - was not sent along; did you mean space.json?"),
    (ARGS.replace("space.json", "../space.json"), {}, "must lie below the workflow's directory"),
    (ARGS.replace("space.json", "/etc/passwd"), {}, "must lie below the workflow's directory"),
    (ARGS, {"space.json": BROKEN}, "s --searchSpaceFile space.json:2: x.method: "),
    (ARGS, {"space.json": "{\n,"}, "s --searchSpaceFile space.json:2: ',' - no JSON"),
    (ARGS + " --segmentSpecFile seg.json", {"seg.json": '[\n{"nam": 1}]'},
     "--segmentSpecFile seg.json:2: segment 1.nam"),
    ("--loadJson none.txt", {}, "--loadJson: none.txt - was not sent along: no such file where"),
    ("--loadJson c.json", {"c.json": '{\n"maxPoint": 3}'},
     "--loadJson c.json:2: maxPoint: 3 - unknown; did you mean max"),
    ("--loadJson c.json", {"c.json": "[]"}, "--loadJson c.json:1: [] - an object of options"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "files", "expected"), FAULTS)
def test_faults_name_file_line_and_step(args: str, files: dict[str, str], expected: str) -> None:
    found = " | ".join(refused(a_workflow(phpo(args)), **{"space.json": SPACE_JSON} | files))
    assert found.startswith("main.cwl:6 s")
    assert expected in found


def test_unknown_input_of_a_search_is_named() -> None:
    assert "did you mean opt_maxPoints?" in words(phpo(ARGS, "opt_maxPoint: {default: 3}"))


def test_child_of_a_search_without_metrics_is_told_what_to_give() -> None:
    args = "--evaluationExec ./go --searchSpaceFile space.json"
    found = words(phpo(args) + prun("c", "opt_inDS: s/outDS"))
    assert f"{NAME}_000_s has no output" in found
    assert "--evaluationMetrics" in found


@pytest.mark.parametrize(
    ("more", "name", "document", "n_faults"),
    [
        ("", "space.json", {f"p{number}": 1 for number in range(5000)}, 50),
        (" --segmentSpecFile f.json", "f.json", [{"nam": 1}] * 900, 50),
        (" --segmentSpecFile f.json", "f.json", [{"name": "a", "files": ["x"]}] * 1001, 1),
        # A file of options is read when the step begins: all that is wrong is one fault of it.
        (" --loadJson f.json", "f.json", {f"p{number}": 1 for number in range(5000)}, 1),
    ],
)
def test_faults_of_a_huge_file_are_told_up_to_a_limit(
    more: str, name: str, document: Any, n_faults: int
) -> None:
    files = {"space.json": SPACE_JSON} | {name: json.dumps(document)}
    assert len(refused(a_workflow(phpo(ARGS + more)), **files)) == n_faults
