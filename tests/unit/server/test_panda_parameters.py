"""Task parameters as panda-client 2.2.0 really sent them, turned into our specifications."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.codec import encode
from culm.wire.search import SearchSpec
from culm.wire.task_spec import InputStream, TaskSpec
from server.panda.asked import Asked
from server.panda.bodies import body_fields
from server.panda.native_workflows import as_cwl
from server.panda.parameters.changes import changed_fields
from server.panda.parameters.patterns import shell_patterns
from server.panda.parameters.search import steering_command
from server.panda.parameters.task import Asker, task_spec

SAMPLES = Path(__file__).parents[2] / "data" / "panda"
DIGEST = "ab" * 32


def sample(number: int, **changes: Any) -> dict[str, Any]:
    """What the client sent, with some parameters changed."""
    found: dict[str, Any] = json.loads((SAMPLES / f"taskParams.{number}.json").read_text())
    return found | changes


def spec_of(parameters: dict[str, Any], **changes: Any) -> TaskSpec:
    asker = Asker(**({"sandbox_of": lambda _name: DIGEST, "may_claim": False} | changes))
    return task_spec(parameters, asker)


def faults_of(parameters: dict[str, Any], **changes: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        spec_of(parameters, **changes)
    return [str(fault) for fault in caught.value.faults]


def test_jobs_without_input_have_a_number_each() -> None:
    assert spec_of(sample(10000001)) == TaskSpec(
        name="user.alice.hello.1", command="sh hello.sh %RNDM:10 > out.txt", outputs=("out.txt",),
        n_jobs=2, sandbox=DIGEST, site="LOCALQ", activity="user",
    )  # fmt: skip


def test_input_with_a_secondary_stream_is_merged() -> None:
    assert spec_of(sample(10000003)) == TaskSpec(
        name="user.alice.inm.1", command="sh hello.sh %IN %IN2 > out.txt",
        inputs=(
            InputStream(datasets=("user.alice.indata/",),
                        anti_match=("*.log.tgz", "*.log.tgz.[0-9]*")),
            InputStream(stream="IN2", datasets=("user.alice.second/",), n_files_per_job=1),
        ),
        outputs=("out.txt", "log*.txt"), n_files_per_job=3, max_files_per_job=200, sandbox=DIGEST,
        merge_output=True, merge_script="python merge.py -o %OUT -i %IN", activity="user",
    )  # fmt: skip


@pytest.mark.parametrize(("expression", "patterns"), [
    (r".*0\.txt", ("*0.txt*",)), (r"AOD", ("*AOD*",)), (r"^a.b$", ("a?b",)), (r".*", ("*",)),
    (r"\.log\.tgz(\.\d+)*$", ("*.log.tgz", "*.log.tgz.[0-9]*")), (r"x\d[^ab]$", ("*x[0-9][!ab]",)),
    (r"a+", None), (r"(a|b)", None), (r"a{2}", None), ("[", None), ("\\w", None),
])  # fmt: skip
def test_expression_is_a_pattern(expression: str, patterns: tuple[str, ...] | None) -> None:
    assert shell_patterns(expression) == patterns


def test_expression_that_is_no_pattern_is_named() -> None:
    parameters = sample(10000003)
    parameters["jobParameters"][7]["include"] = "(a|b)"
    [fault] = faults_of(parameters)
    assert fault.startswith("jobParameters.include: '(a|b)' - a pattern with * and ? is taken")


def test_build_is_read_from_its_quoted_line() -> None:
    parameters = sample(10000004)
    line = '-i ${IN} -o ${OUT} --sourceURL ${SURL} -r . --bexec "make%20-j%202%20%22a%20b%22" '
    parameters["buildSpec"]["jobParameters"] = line
    spec = spec_of(parameters)
    assert (spec.build_command, spec.sandbox) == ('make -j 2 "a b"', DIGEST)


def test_image_is_that_of_the_container() -> None:
    spec = spec_of(sample(10000005))
    assert (spec.container_image, spec.command) == ("docker://busybox", "echo hi > o.dat")


def test_search_is_read_with_its_steering() -> None:
    spec = spec_of(sample(10000006))
    assert spec.search == SearchSpec(
        space={"x": {"method": "uniform", "dimension": {"low": 0, "high": 1}}},
        max_points=4, max_evaluation_jobs=8, n_parallel_evaluation=2, n_points_per_iteration=2,
        min_unevaluated_points=1, metrics_name="metrics.tgz",
        steering_command="hpogrid generate --n_point=%NUM_POINTS --max_point=%MAX_POINTS "
        "--infile=$PWD/%IN --outfile=$PWD/%OUT -l=nevergrad",
        steering_container="docker://gitlab-registry.cern.ch/zhangruihpc/steeringcontainer:0.0.1",
        evaluation_container="docker://busybox",
    )  # fmt: skip
    assert (spec.command, spec.outputs, spec.vo) == ("bash exec.sh", ("metrics.tgz",), None)


def test_numbers_of_a_segmented_search_count_for_each_segment() -> None:
    parameters = sample(10000006)
    asked = parameters["hpoRequestData"]
    space = asked["opt_space"]
    asked |= {
        "max_points": 8,
        "opt_space": [{"model_id": i, "search_space": space} for i in (0, 1)],
    }
    parts = [{"name": "a", "files": ["f1"], "id": 0}, {"name": "b", "files": ["f2"], "id": 1}]
    parameters |= {"segmentedWork": True, "segmentSpecs": parts}
    parameters["jobParameters"] += [
        {"type": "constant", "value": "--writeInputToTxt IN_DATA:input_ds.json"},
        {"type": "template", "param_type": "input", "value": '-i "${IN_DATA/T}"',
         "dataset": "user.alice.train", "attributes": "nosplit,repeat"},
        {"type": "constant", "value": "--inMap \"{'IN_DATA': ${IN_DATA/T}}\""},
        {"type": "constant", "value": "--segmentID=${SEGMENT_ID}"},
    ]  # fmt: skip
    search = spec_of(parameters).search
    assert search is not None
    assert (search.max_points, search.training_datasets) == (4, ("user.alice.train",))
    assert [(s.name, s.files, s.space) for s in search.segments] == [
        ("a", ("f1",), space), ("b", ("f2",), space)]  # fmt: skip


@pytest.mark.parametrize(("arguments", "command"), [
    ('run --rm -v $(pwd):/W img /bin/bash -c "steer %IN \'a b\'"', "steer %IN 'a b'"),
    ("python steer.py %NUM_POINTS", "python steer.py %NUM_POINTS"),
    ('steer "unended', 'steer "unended'),
])  # fmt: skip
def test_steering_is_what_docker_was_to_run(arguments: str, command: str) -> None:
    assert steering_command(arguments) == command


@pytest.mark.parametrize(("changes", "fields"), [
    ({"coreCount": 8, "ramCount": 500, "ramCountUnit": "MBPerCoreFixed"},
     {"core_count": 8, "memory_mb": 4000, "ram_count_unit": "MBPerCoreFixed"}),
    ({"maxWalltime": 2}, {"walltime_seconds": 7200}),
    ({"cpuTime": 5, "cpuTimeUnit": "HS06sPerEvent"}, {"cpu_time": 5.0}),
    ({"currentPriority": 950}, {"priority": 950}),
    ({"currentPriority": 2}, {"priority": 1000}),  # spec, 5: outside 900..1100 it is reset
    ({"includedSite": ["LOCAL"], "site": None}, {"site": "LOCAL"}),
    ({"excludedSite": ["A", "B"]}, {"excluded_sites": ("A", "B")}),
    ({"nEvents": 100, "nEventsPerJob": 10}, {"n_events": 100, "n_events_per_job": 10}),
    ({"useLocalIO": 1}, {"force_staged": True}),
    ({"skipScout": True, "maxAttempt": 5}, {"skip_scouts": True, "max_attempts": 5}),
    ({"useSecrets": True}, {"use_secrets": True}),
    ({"vo": "atlas", "processingType": "panda-client-2.2.0-jedi-run"}, {"vo": None}),
])  # fmt: skip
def test_task_parameter_means(changes: dict[str, Any], fields: dict[str, Any]) -> None:
    spec = spec_of(sample(10000001, **changes))
    assert {name: getattr(spec, name) for name in fields} == fields


def test_organisation_counts_for_those_who_may_claim_it() -> None:
    assert spec_of(sample(10000001), may_claim=True).vo == "testvo"
    # (g): phpo names one of its own.
    assert spec_of(sample(10000006), may_claim=True).vo is None


@pytest.mark.parametrize(("changes", "said"), [
    ({"skipFilesUsedBy": "10000001"}, "skipFilesUsedBy: '10000001' - this task parameter is not"),
    ({"transPath": "http://x/mine.sh"}, "transPath: 'http://x/mine.sh' - leave it out"),
    ({"includedSite": ["A", "B"], "site": None}, "includedSite: 'A,B' - one site is taken"),
    ({"ramCount": 5, "ramCountUnit": "GB"}, "ramCountUnit: 'GB' - unknown"),
    ({"nEvents": "many"}, "n_jobs: 'many' - "),
    ({"taskName": None}, "taskName: None - user.<nickname>.… is needed"),
    ({"jobParameters": []}, "jobParameters: [] - a list of objects"),
    ({"jobParameters": "rm -rf"}, "jobParameters: 'rm -rf' - a list of objects"),
])  # fmt: skip
def test_parameter_that_is_not_taken_is_named(changes: dict[str, Any], said: str) -> None:
    assert any(fault.startswith(said) for fault in faults_of(sample(10000001, **changes)))


@pytest.mark.parametrize(("item", "said"), [
    ("--useAthenaPackages --rootVer 6", "jobParameters --useAthenaPackages: "),
    ("-r some/where", "jobParameters -r: 'some/where' - jobs start where their files are"),
    ("-a", "jobParameters -a: 'nothing' - needs a value"),
    ('-x "', "runGen: "),
])  # fmt: skip
def test_job_parameter_that_is_not_taken_is_named(item: str, said: str) -> None:
    parameters = sample(10000001)
    parameters["jobParameters"].append({"type": "constant", "value": item})
    assert any(fault.startswith(said) for fault in faults_of(parameters))


def test_output_that_would_bear_another_name_is_refused() -> None:
    parameters = sample(10000001)
    output = next(i for i in parameters["jobParameters"] if i.get("param_type") == "output")
    output["dataset"] = "user.alice.hello.1_mine/"
    assert faults_of(parameters) == [
        "outputs.dataset: 'user.alice.hello.1_mine' - its dataset is user.alice.hello.1_out.txt: "
        "give no suffix"]  # fmt: skip


def test_sandbox_that_was_not_sent_is_named() -> None:
    [fault] = faults_of(sample(10000001), sandbox_of=lambda _name: None)
    assert fault.startswith("sandbox: 'jobO.")
    assert fault.endswith("it was not uploaded")


@pytest.mark.parametrize(("new", "fields"), [
    ({"excludedSite": "A,B"}, {"excluded_sites": ("A", "B")}),
    ({"nFilesPerJob": 7}, {"n_files_per_job": 7}),
    ({"ramCount": 900}, {"memory_mb": 900}),
    ({"forceStaged": True}, {"force_staged": True}),
])  # fmt: skip
def test_new_parameters_change_fields(new: dict[str, Any], fields: dict[str, Any]) -> None:
    assert changed_fields(new, spec_of(sample(10000003))) == fields


def test_new_number_of_files_changes_the_primary_input_alone() -> None:
    spec = spec_of(sample(10000003))
    first, second = changed_fields({"nFiles": 5}, spec)["inputs"]
    assert (first["n_files"], second) == (5, encode(spec.inputs[1]))


def test_new_parameter_that_is_not_taken_is_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        changed_fields({"loopingCheck": True}, spec_of(sample(10000001)))
    assert caught.value.faults[0].field == "loopingCheck"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner,
                                                               max_size=3),
    max_leaves=8,
)  # fmt: skip


def refusal_of(act: Callable[[], object]) -> tuple[FieldFault, ...] | None:
    """What is said against it; None where nothing is."""
    try:
        act()
    except InvalidRequest as error:
        return error.faults
    return None


@given(name=st.sampled_from(sorted(sample(10000003))), value=json_values)
def test_odd_values_are_taken_or_refused_by_name(name: str, value: Any) -> None:
    assert refusal_of(lambda: spec_of(sample(10000003, **{name: value}))) != ()


@given(st.binary(max_size=300))
def test_any_bytes_are_fields_or_a_clear_refusal(body: bytes) -> None:
    assert refusal_of(lambda: body_fields(body)) != ()


def asked(**fields: Any) -> Asked:
    return Asked(fields=fields, parts=None, caller=None, host="here")  # type: ignore[arg-type]


@pytest.mark.parametrize(("value", "number"), [("7", 7), (7, 7), (None, 3), ("None", 3)])
def test_number_of_a_query_or_of_json(value: Any, number: int) -> None:
    assert asked(n=value).number("n", 3) == number


@pytest.mark.parametrize("value", ["-1", "1e3", "٣", True, [1], "9" * 30, {"a": 1}])
def test_what_is_no_number_is_named(value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        asked(task_id=value).number("task_id")
    assert caught.value.faults[0] == FieldFault("task_id", ascii(value)[:80], "a whole number")


@pytest.mark.parametrize(
    ("value", "flag"),
    [("True", True), ("False", False), (True, True), ("None", False), ("1", True), (None, False)],
)
def test_flag_is_read_as_python_writes_it(value: Any, flag: bool) -> None:  # fmt: skip
    assert asked(x=value).flag("x") is flag


WFD = """
name: chain
inputs: {raw: user.alice.data}
steps:
  top: {type: prun, inDS: "{raw}", exec: "echo %IN > a.txt", args: "--outputs a.txt"}
  end: {type: prun, inDS: top/outDS, inDsType: a.txt, exec: "cat %IN > b.txt",
        args: "--outputs b.txt", secondaryDSs: ["user.alice.second"], secondaryDsTypes: ["x"]}
outputs: {result: {from: end/outDS}}
"""


def test_native_workflow_says_the_same_in_cwl() -> None:
    document = json.loads(as_cwl(WFD))
    assert document["steps"] == {
        "top": {"run": "prun", "out": ["outDS"], "in": {
            "opt_args": {"default": "--outputs a.txt"}, "opt_exec": {"default": "echo %IN > a.txt"},
            "opt_inDS": {"default": "user.alice.data"}}},
        "end": {"run": "prun", "out": ["outDS"], "in": {
            "opt_inDsType": {"default": "a.txt"}, "opt_args": {"default": "--outputs b.txt"},
            "opt_exec": {"default": "cat %IN > b.txt"}, "opt_inDS": {"source": "top/outDS"},
            "opt_secondaryDSs": {"default": ["user.alice.second"]},
            "opt_secondaryDsTypes": {"default": ["x"]}}},
    }  # fmt: skip
    assert document["outputs"] == {"result": {"type": "string", "outputSource": "end/outDS"}}


@pytest.mark.parametrize(("old", "new", "said"), [
    ("top/outDS", "tip/outDS", "no such step: unknown; did you mean top?"),
    ("{raw}", "{row}", "no such input: unknown; did you mean raw?"),
    ("inDsType:", "inDsTyp:", "unknown; did you mean inDsType?"),
    ("type: prun, inDS: top", "type: brun, inDS: top", "one of prun, phpo, junction"),
    ("from: end/outDS", "from: fin/outDS", "STEP/outDS of a step here"),
    ("steps:", "stops:", "a mapping with at least one step"),
    ("name: chain", "name: [", "while parsing"),
])  # fmt: skip
def test_fault_of_a_native_workflow_is_named(old: str, new: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        as_cwl(WFD.replace(old, new))
    assert any(said in fault.needed or said in fault.value for fault in caught.value.faults)
