"""`culm chain` against a server that speaks the contract."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from culm import Client
from culm.core.settings import load_settings
from tests.contract.calls import Run, in_this_process
from tests.contract.culm_server import World, token_of


@pytest.fixture
def documents(work: Path) -> Path:
    (work / "main.cwl").write_text("steps: {a: {run: body.cwl}}")
    (work / "body.cwl").write_text("")
    (work / "in.yaml").write_text("")
    return work


@pytest.fixture
def chain(environment: dict[str, str], documents: Path) -> Run:
    words = ("chain", "--cwl", "main.cwl", "--yaml", "in.yaml", "--outDS", "user.alice.w")
    return in_this_process(environment, documents, *words)


def test_each_step_is_shown_as_it_would_run(chain: Run) -> None:
    done = chain("--check")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "001_b_0  prun  main.cwl:7  (loop)",
        "  in: l#0/b",
        "  when: $(inputs.x)",
        "  parents: 000_a",
        r"  --exec: echo \x1b[31m",
        "  --nJobs: 2",
        "  --noInput: true",
        "  output: user.alice.w_001_b_0_body.cwl",
        "  output: user.alice.w_001_b_0_in.yaml",
        "  output: user.alice.w_001_b_0_main.cwl",
    ]
    assert done.stderr.splitlines() == [
        "warning: odd", "2 more steps are not shown", "user.alice.w: 3 steps, nothing is wrong",
    ]  # fmt: skip


def test_json_is_one_value(chain: Run) -> None:
    done = chain("--check", "--json")
    assert json.loads(done.stdout)["steps"][0]["id"] == "001_b_0"


def test_faults_are_named_with_their_lines(chain: Run, service: tuple[str, World]) -> None:
    service[1].refuses = [("main.cwl:3 a.x", "b/out", "there is no step b")]
    done = chain("--check")
    assert (done.returncode, done.stdout) == (2, "")
    assert "main.cwl:3 a.x: b/out - there is no step b" in done.stderr


def test_workflow_is_submitted_with_the_files_beside_it(
    chain: Run, service: tuple[str, World]
) -> None:
    done = chain()
    assert (done.returncode, done.stdout) == (0, "12\n")
    assert done.stderr.splitlines() == [
        "warning: odd", "workflow 12 user.alice.w registered", "  next: culm workflow watch 12",
    ]  # fmt: skip
    (archive,) = service[1].sandboxes.values()
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        assert sorted(opened.getnames()) == ["body.cwl", "in.yaml", "main.cwl"]
    assert json.loads(chain("--json").stdout)["workflow_id"] == 12


def test_python_can_check_too(service: tuple[str, World], documents: Path, tmp_path: Path) -> None:
    settings = load_settings({"server_url": service[0], "data_dir": tmp_path / "data"}, {})
    with Client(token=token_of("alice"), settings=settings) as client:
        found = client.check_workflow(
            str(documents / "main.cwl"), out_ds="user.alice.w", directory=documents
        )
    assert (found.n_steps, found.steps[0].parents) == (3, ("000_a",))
