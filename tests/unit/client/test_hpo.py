"""Options of `culm hpo`: what they mean, and what is said when they are wrong."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from culm.client.hpo import hpo, search_specification
from culm.client.hpo_options import GROUPS, OPTIONS, Hpo
from culm.client.option_files import loaded
from culm.client.search_files import on_disk
from culm.core.errors import InvalidRequest
from culm.wire.search import Sampler, Segment
from culm.wire.task_spec import TaskSpec

SPACE = {
    "auto_lr": {"method": "categorical", "dimension": {"categories": [True, False]}},
    "lr": {"method": "loguniform", "dimension": {"low": 0.001, "high": 1}},
}
PHPO = {
    "nParallelEvaluation", "maxPoints", "maxEvaluationJobs", "nPointsPerIteration",
    "minUnevaluatedPoints", "steeringContainer", "steeringExec", "searchSpaceFile",
    "evaluationContainer", "evaluationExec", "evaluationInput", "evaluationTrainingData",
    "evaluationOutput", "evaluationMeta", "evaluationMetrics", "trainingDS", "checkPointToSave",
    "checkPointToLoad", "checkPointInterval", "segmentSpecFile", "loadJson", "site", "outDS",
}  # fmt: skip
"""Its options by the documentation, 4.1.3."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current directory with a search space."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.json").write_text(json.dumps(SPACE, indent=1))
    return tmp_path


def spec(**options: Any) -> TaskSpec:
    whole = {"evaluationExec": "python train.py", "searchSpaceFile": "space.json"} | options
    return search_specification(hpo(**whole), "user.alice.search", on_disk)


def faults(**options: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        spec(**options)
    assert caught.value.hint == "culm hpo --help"
    return [str(fault) for fault in caught.value.faults]


def test_every_documented_option_is_there() -> None:
    assert {flag.removeprefix("--") for flag in OPTIONS.values()} >= PHPO
    groups = {f.metadata["group"] for f in fields(Hpo)}
    assert groups == set(GROUPS)


def test_defaults_are_the_documented_ones() -> None:
    found = spec()
    search = found.search
    assert search is not None
    assert (search.max_points, search.n_parallel_evaluation, search.most_jobs) == (10, 1, 20)
    assert (search.n_points_per_iteration, search.min_unevaluated_points) == (2, 0)
    assert (search.input_name, search.training_name, search.output_name) == (
        "input.json", "input_ds.json", "output.json"
    )  # fmt: skip
    assert (search.checkpoint_minutes, search.sampler, search.space) == (5, None, SPACE)
    assert (found.command, found.outputs, found.max_attempts) == ("python train.py", (), 3)


def test_options_become_a_specification() -> None:
    found = spec(
        maxPoints=30, sampler="cmaes", seed=5, evaluationMetrics="metrics.tgz",
        trainingDS=["user.alice.a", "user.alice.b"], checkPointToSave="model.h5,state/",
        memory="4GB", nParallelEvaluation=4, site="CERN", maxEvaluationJobs=40,
    )  # fmt: skip
    search = found.search
    assert search is not None
    assert (found.outputs, found.memory_mb, found.site) == (("metrics.tgz",), 4000, "CERN")
    assert (search.sampler, search.seed, search.max_points) == (Sampler.CMAES, 5, 30)
    assert search.training_datasets == ("user.alice.a", "user.alice.b")
    assert search.checkpoint_paths == ("model.h5", "state/")
    assert (search.n_parallel_evaluation, search.most_jobs) == (4, 40)


def test_own_steering_needs_no_search_space() -> None:
    command = "steer --n=%NUM_POINTS --max=%MAX_POINTS --in=%IN --out=%OUT"
    found = spec(searchSpaceFile=None, steeringExec=command, steeringContainer="repo/steer:1")
    assert found.search is not None
    assert (found.search.steering_command, found.search.space) == (command, {})


def test_load_json_gives_options_and_the_command_line_wins(folder: Path) -> None:
    document = {"evaluationExec": "sh run.sh", "maxPoints": 7, "searchSpaceFile": "space.json",
                "trainingDS": ["a", "b"], "nParallelEvaluation": 2}  # fmt: skip
    (folder / "conf.json").write_text(json.dumps(document))
    found = loaded(hpo(loadJson="conf.json", maxPoints=9), on_disk)
    assert (found.evaluation_exec, found.max_points, found.training_ds) == ("sh run.sh", 9, "a,b")
    assert found.n_parallel_evaluation == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{\n "maxPoint": 3\n}',
         "--loadJson conf.json:2: maxPoint: 3 - unknown; did you mean maxPoints?"),
        ('{\n\n "maxPoints": "3"\n}',
         "--loadJson conf.json:3: maxPoints: '3' - a whole number is needed"),
        ('{"evaluationExec": 3}',
         "--loadJson conf.json:1: evaluationExec: 3 - a string is needed"),
        ('{"noSandbox": 1}', "--loadJson conf.json:1: noSandbox: 1 - true or false is needed"),
        ('{"maxPoints": 3,\n "evaluationExec" "x"}',
         "--loadJson conf.json:2: ' \"evaluationExec\" \"x\"}' - no JSON: Expecting ':' delimiter"),
        ("[1]", "--loadJson conf.json:1: [1] - an object of options is needed"),
    ],
)  # fmt: skip
def test_wrong_options_of_a_file_are_named_by_line(folder: Path, text: str, words: str) -> None:
    (folder / "conf.json").write_text(text)
    assert words in faults(loadJson="conf.json")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"maxPoint": 3}, "maxPoint: 3 - unknown; did you mean maxPoints?"),
        ({"evaluationExec": " "}, "--evaluationExec: missing - say what evaluates a point"),
        ({"searchSpaceFile": None},
         "--searchSpaceFile: missing - name the file with the search space, or give "
         "--steeringExec"),
        ({"searchSpaceFile": "no.json"}, "--searchSpaceFile: no.json - No such file or directory"),
        ({"sampler": "tpee"}, "--sampler: 'tpee' - unknown; did you mean tpe?"),
        ({"maxPoints": 0}, "--maxPoints: 0 - must be from 1 to 100000"),
        ({"minUnevaluatedPoints": 5},
         "--minUnevaluatedPoints: 5 - must be below --nPointsPerIteration, 2: each round makes "
         "the difference"),
        ({"steeringExec": "steer"},
         "--steeringExec: 'steer' - must hold %OUT: see %NUM_POINTS, %MAX_POINTS, %IN, %OUT"),
        ({"steeringExec": "s %NUM_POINTS %OUT", "sampler": "grid"},
         "--sampler: grid - not together with a steering command, which chooses the points "
         "itself"),
        ({"evaluationOutput": "input.json"},
         "--evaluationOutput: input.json - each file needs a name of its own"),
        ({"checkPointToLoad": "x.tgz"}, "--checkPointToLoad: x.tgz - needs --checkPointToSave"),
        ({"memory": "much"}, "--memory: 'much' - "),
        ({"evaluationMetrics": "a b"}, "--evaluationMetrics: "),
        ({"maxAttempt": 0}, "--maxAttempt: 0 - must be from 1 to 50"),
    ],
)  # fmt: skip
def test_wrong_options_are_named(options: dict[str, Any], words: str) -> None:
    assert any(words in fault for fault in faults(**options)), faults(**options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{}", "--searchSpaceFile space.json:1: empty - name at least one hyperparameter"),
        ('{\n "lr": {\n  "method": "unifrom",\n  "dimension": {}}}',
         "--searchSpaceFile space.json:3: lr.method: 'unifrom' - unknown; did you mean uniform?"),
        ('{\n "lr": {"method": "uniform",\n  "dimension": {"low": 2,\n  "high": 1}}}',
         "--searchSpaceFile space.json:4: lr.dimension.high: 1 - must be above low, 2"),
        ('{\n "a.b": {"method": "uniform",\n  "dimension": {"low": 2}}}',
         "--searchSpaceFile space.json:3: a.b.dimension.high: missing - uniform needs it"),
        ("[]", "--searchSpaceFile space.json:1: [] - an object of hyperparameters is needed"),
        ("{", "--searchSpaceFile space.json:1: '{' - no JSON: "),
        ('{"lr": NaN}', "--searchSpaceFile space.json: NaN is not JSON - no JSON"),
    ],
)  # fmt: skip
def test_wrong_search_spaces_are_named_by_line(folder: Path, text: str, words: str) -> None:
    (folder / "space.json").write_text(text)
    assert any(words in fault for fault in faults()), faults()


SEGMENTS = [{"name": "name_A", "files": ["file_1", "file_3"]},
            {"name": "name_B", "files": ["file_2"]}]  # fmt: skip


def test_segments_share_one_space_or_have_each_its_own(folder: Path) -> None:
    (folder / "seg.json").write_text(json.dumps(SEGMENTS))
    options = {"segmentSpecFile": "seg.json", "trainingDS": "user.alice.d"}
    search = spec(**options).search
    assert search is not None
    assert search.segments == (
        Segment(name="name_A", files=("file_1", "file_3")),
        Segment(name="name_B", files=("file_2",)),
    )
    assert (search.space_of("name_B"), search.most_jobs) == (SPACE, 40)
    (folder / "space.json").write_text(json.dumps([SPACE, {"lr": SPACE["lr"]}]))
    search = spec(**options).search
    assert search is not None
    assert sorted(search.space_of("name_A")) == ["auto_lr", "lr"]
    assert sorted(search.space_of("name_B")) == ["lr"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "--segmentSpecFile seg.json:1: [] - a list of objects with name and files"),
        ('[3]', "--segmentSpecFile seg.json:1: segment 1: 3 - an object with name and files"),
        ('[\n{"nam": "a"}]',
         "--segmentSpecFile seg.json:2: segment 1.nam: 'a' - unknown; did you mean name?"),
        ('[{"name": "a"}]', "--segmentSpecFile a: neither - give files or datasets of the"),
        ('[{"name": "a", "files": "f"}]',
         "--segmentSpecFile seg.json:1: segment 1.files: 'f' - a list of names is needed"),
        ('[{"name": "a", "files": ["f"]}, {"name": "a", "files": ["g"]}]',
         "--segmentSpecFile a.name: a - each segment needs a name of its own"),
        ('[{"name": "a", "datasets": ["user.x"]}]',
         "--segmentSpecFile a.datasets: user.x - is not among --trainingDS"),
    ],
)  # fmt: skip
def test_wrong_segments_are_named(folder: Path, text: str, words: str) -> None:
    (folder / "seg.json").write_text(text)
    found = faults(segmentSpecFile="seg.json", trainingDS="user.alice.d")
    assert any(words in fault for fault in found), found


def test_wrong_number_of_spaces_is_named(folder: Path) -> None:
    (folder / "seg.json").write_text(json.dumps(SEGMENTS))
    (folder / "space.json").write_text(json.dumps([SPACE] * 3))
    assert faults(segmentSpecFile="seg.json", trainingDS="user.alice.d") == [
        "--searchSpaceFile space.json:1: 3 spaces - one for all, or one for each of 2 segments"
    ]


def test_fault_in_a_later_space_names_its_own_line(folder: Path) -> None:
    (folder / "seg.json").write_text(json.dumps(SEGMENTS))
    good = '{"lr": {"method": "uniform", "dimension": {"low": 0, "high": 1}}}'
    bad = '{"lr": {"method": "uniform",\n "dimension": {"low": 0, "high": 0}}}'
    (folder / "space.json").write_text(f"[{good},\n{bad}]")
    assert faults(segmentSpecFile="seg.json", trainingDS="user.alice.d") == [
        "--searchSpaceFile space.json:3: lr.dimension.high: 0 - must be above low, 0"
    ]
