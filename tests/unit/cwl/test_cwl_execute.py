"""The program that runs a tool where the job is: with Python and cwltool alone."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from culm.core.errors import InvalidRequest
from culm.wire import workflows
from cwl import execute
from cwl.bundle import Bundle
from cwl.files import with_places
from cwl.plan import MAIN, Input, Plan, Tool, Workflow
from cwl.tool_jobs import PROGRAM, datasets_of, job_files, needs_of, tool_job, verdict_of
from cwl.worker import look_at
from tests.cwl_scene import planned

TOOL = (
    "cwlVersion: v1.2\nclass: CommandLineTool\nrequirements:\n  ShellCommandRequirement: {}\n"
    "  InitialWorkDirRequirement:\n    listing:\n"
    "    - {entryname: text, entry: $(inputs.text)}\n"
    "    - {entryname: folder, entry: $(inputs.folder)}\n"
    "temporaryFailCodes: [4]\n"
    "arguments: [{valueFrom: $(inputs.script), shellQuote: false}]\n"
    "inputs:\n  script: string\n  text: File?\n  folder: Directory?\n"
    "outputs:\n  made: {type: 'File?', outputBinding: {glob: made.txt}}\n"
    "  sub: {type: 'Directory?', outputBinding: {glob: sub}}\n"
)


def a_tool(text: str = TOOL) -> Tool:
    return planned("tool.cwl", tool_cwl=text).tools["tool.cwl"]


def a_plan(beside: bool = True, contents: bool = False) -> Plan:
    given = Input(name="x", type="File", secondary=beside, load_contents=contents)
    return Plan(workflows={MAIN: Workflow(name=MAIN, place="", inputs=(given,))})


def run(
    work: Path, tool: Tool, *, beside: bool = True, contents: bool = False, **inputs: Any
) -> tuple[int, dict[str, Any]]:
    """The exit code and the result of a tool's job in this folder."""
    for name, text in job_files(tool_job(a_plan(beside, contents), tool, inputs)).items():
        (work / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-I", PROGRAM], cwd=work, check=False, capture_output=True, text=True
    )
    result = work / execute.RESULT
    assert result.exists(), done.stderr
    return done.returncode, json.loads(result.read_text())


def archived(folder: Path) -> dict[str, str]:
    with tarfile.open(folder / execute.ARCHIVE) as archive:
        return {
            member.name: (archive.extractfile(member) or sys.stdin).read().decode()  # type: ignore[union-attr]
            for member in archive if member.isfile()
        }  # fmt: skip


def test_files_of_the_user_and_of_other_steps_are_found_and_made_ones_handed_in(
    tmp_path: Path,
) -> None:
    (tmp_path / "in put.txt").write_text("mine")
    (tmp_path / "other.txt").write_text("other")
    with tarfile.open(tmp_path / "user.alice.77._000001.cwl_files.tgz", "w:gz") as archive:
        archive.add(tmp_path / "other.txt", "deep/other.txt")
    code, result = run(
        tmp_path, a_tool(),
        script="cat text folder/other.txt > made.txt && mkdir sub && cp made.txt sub/again.txt",
        text={"class": "File", "location": "file:///culm-bundle/in%20put.txt"},
        folder={"class": "Directory", "location": "culm://user.alice.d/77/deep", "listing": []},
        contents=True,
    )  # fmt: skip
    assert (code, result["status"]) == (0, "success"), result
    made, sub = result["outputs"]["made"], result["outputs"]["sub"]
    assert (made["location"], made["size"], sub["location"]) == ("made.txt", 9, "sub")
    assert made["contents"] == "mineother", "for expressions of the workflow"
    assert "path" not in made
    assert archived(tmp_path) == {"made.txt": "mineother", "sub/again.txt": "mineother"}
    left = {path.name for path in tmp_path.iterdir()}
    assert not left & {"culm_made", "culm_taken", "culm_scratch"}


@pytest.mark.parametrize(
    ("script", "code", "status"), [("exit 3", 0, "permanentFail"), ("exit 4", 1, "temporaryFail")]
)
def test_permanent_failure_is_a_verdict_and_a_temporary_one_fails_the_job(
    tmp_path: Path, script: str, code: int, status: str
) -> None:
    found, result = run(tmp_path, a_tool(), script=script)
    assert (found, result["status"], result["outputs"]) == (code, status, {})
    assert result["reason"]


def test_requirement_that_cannot_be_met_is_unsupported(tmp_path: Path) -> None:
    needy = TOOL.replace(
        "requirements:\n", "requirements:\n  DockerRequirement: {dockerPull: debian}\n"
    )
    code, result = run(tmp_path, a_tool(needy), script="true")
    assert (code, result["status"]) == (0, "unsupported")
    assert "DockerRequirement" in result["reason"]


def test_program_and_client_mean_the_same_by_places() -> None:
    assert (execute.MADE, execute.SUBMITTED) == (workflows.MADE, workflows.SUBMITTED)


def test_files_of_a_job_order_are_found_from_its_own_folder() -> None:
    order = [
        {"class": "File", "path": "a b#.txt"},
        {"class": "Directory", "location": "../d/"},
        {"class": "File", "location": "x.tar.gz", "secondaryFiles": [
            {"class": "File", "location": "x.idx", "basename": "y.idx"}]},
        {"class": "File", "basename": "l.txt", "contents": "text"},
    ]  # fmt: skip
    first, second, third, literal = with_places(order, "sub/in.yml")
    assert first == {"class": "File", "location": "file:///culm-bundle/sub/a%20b%23.txt",
                     "basename": "a b#.txt", "nameroot": "a b#", "nameext": ".txt"}  # fmt: skip
    assert (second["location"], second["basename"]) == ("file:///culm-bundle/d", "d")
    assert (third["nameroot"], third["nameext"]) == ("x.tar", ".gz")
    assert third["secondaryFiles"][0]["basename"] == "y.idx"
    assert "location" not in literal


def test_secondary_files_are_found_in_named_types_and_defaults_have_locations() -> None:
    types = (
        "  SchemaDefRequirement:\n    types:\n"
        "    - {name: R, type: record, fields: {f: {type: File, secondaryFiles: .i}, r: 'R?'}}\n"
    )
    given = "inputs:\n  r: {type: 'R?', default: {f: {class: File, path: d.txt}}}\n"
    text = TOOL.replace("requirements:\n", f"requirements:\n{types}").replace("inputs:\n", given)
    plan = planned("tool.cwl", tool_cwl=text)
    assert plan.looks_beside
    file = {"class": "File", "location": "file:///culm-bundle/d.txt"}
    assert {"f": file} in [given.default for given in plan.main.inputs]
    document = plan.tools["tool.cwl"].document
    assert {"f": file} in [given.get("default") for given in document["inputs"]]


def test_datasets_of_inputs_are_those_that_hold_their_files() -> None:
    inputs = {
        "a": [{"class": "File", "location": "culm://user.a.x/7/f"}],
        "b": {"r": {"class": "Directory", "location": "culm://user.a.y/8/d"}},
        "c": {"class": "File", "location": "file:///culm-bundle/f",
              "secondaryFiles": [{"class": "File", "location": "culm://user.a.x/9/g"}]},
        "d": "culm://no.file/1/x",
    }  # fmt: skip
    assert datasets_of(inputs) == ["user.a.x", "user.a.y"]


@pytest.mark.parametrize(("said", "needs"), [
    ("{coresMin: 2, ramMin: 512}", {"core_count": 2, "memory_mb": 512}),
    ("{coresMax: 4}", {"core_count": 4}),
    ("{ramMin: $(inputs.script)}", {}),
    ("{coresMin: 0.5}", {"core_count": 1}),
])  # fmt: skip
def test_needs_are_those_that_are_numbers(said: str, needs: dict[str, int]) -> None:
    said = f"requirements:\n  ResourceRequirement: {said}\n"
    tool = a_tool(TOOL.replace("requirements:\n", said))
    assert needs_of(tool) == needs


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"status": "success", "reason": ""}'])
def test_result_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="no result of a tool"):
        verdict_of(text, "user.a.x", 7)


def test_tool_sees_its_own_inputs_only_and_no_formats() -> None:
    text = TOOL.replace("text: File?", "text: {type: File?, format: 'http://x.org/text'}")
    job = tool_job(a_plan(), a_tool(text), {"script": "true", "for_the_step": 1})
    assert job["inputs"] == {"script": "true"}
    assert not any("format" in one for one in job["tool"]["inputs"])


FORMATS = """cwlVersion: v1.2
class: CommandLineTool
baseCommand: cat
$namespaces: {x: 'http://x.org/'}
inputs: {text: {type: File, format: 'x:text'}}
outputs: []
"""


def test_format_of_a_file_is_written_out_and_checked() -> None:
    files = {"tool.cwl": FORMATS, "in.yml": "text: {class: File, path: a.txt, format: 'x:text'}\n"}
    reply = look_at(Bundle(files=files, cwl="tool.cwl", yaml="in.yml"), "user.a.w")
    assert reply["inputs"]["text"]["format"] == "http://x.org/text"
    wrong = files | {"in.yml": files["in.yml"].replace("x:text", "x:image")}
    reply = look_at(Bundle(files=wrong, cwl="tool.cwl", yaml="in.yml"), "user.a.w")
    assert reply["faults"] == [{
        "field": "text", "value": "a.txt: http://x.org/image", "needed": "format http://x.org/text",
    }]  # fmt: skip


def test_requirements_in_a_job_order_are_added_to_those_of_tools() -> None:
    text = TOOL.replace("script: string", "script: {type: string, default: 'true'}")
    env = "[{class: EnvVarRequirement, envDef: [{envName: A, envValue: b}]}]"
    files = {"tool.cwl": text, "in.yml": f"cwl:requirements: {env}\n"}
    reply = look_at(Bundle(files=files, cwl="tool.cwl", yaml="in.yml"), "user.a.w")
    (tool,) = reply["plan"]["tools"].values()
    assert tool["requirements"][-1]["envDef"] == [{"envName": "A", "envValue": "b"}]
    old = files | {"tool.cwl": text.replace("v1.2", "v1.0")}
    reply = look_at(Bundle(files=old, cwl="tool.cwl", yaml="in.yml"), "user.a.w")
    assert [fault["needed"] for fault in reply["faults"]] == ["documents of CWL v1.1 or later"]
    odd = files | {"in.yml": "cwl:requirements: {EnvVarRequirement: {}}\n"}
    reply = look_at(Bundle(files=odd, cwl="tool.cwl", yaml="in.yml"), "user.a.w")
    assert [fault["needed"] for fault in reply["faults"]] == ["a list of requirements is needed"]


def test_update_in_place_is_unsupported(tmp_path: Path) -> None:
    in_place = "requirements:\n  InplaceUpdateRequirement: {inplaceUpdate: true}\n"
    tool = a_tool(TOOL.replace("requirements:\n", in_place))
    code, result = run(tmp_path, tool, script="true")
    assert (code, result["status"]) == (0, "unsupported")


@pytest.mark.parametrize(("beside", "status"), [(True, "success"), (False, "permanentFail")])
def test_secondary_files_are_looked_for_only_where_a_workflow_says_so(
    tmp_path: Path, beside: bool, status: str
) -> None:
    for name in ("a.txt", "a.txt.idx"):
        (tmp_path / name).write_text(name)
    tool = a_tool(TOOL.replace("text: File?", "text: {type: File?, secondaryFiles: [.idx]}"))
    text = {"class": "File", "location": "file:///culm-bundle/a.txt"}
    _, result = run(tmp_path, tool, beside=beside, script="cat text > made.txt", text=text)
    assert result["status"] == status
    head = "inputs: {t: {type: File, secondaryFiles: [.idx]}}\noutputs: []\n"
    assert planned(f"cwlVersion: v1.2\nclass: Workflow\nsteps: []\n{head}").looks_beside
