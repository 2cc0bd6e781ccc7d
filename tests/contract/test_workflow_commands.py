"""`culm workflow …` as a real process against a server that speaks the contract."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.culm_server import World, culm_server, token_of

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def service() -> Iterator[tuple[str, World]]:
    with culm_server() as found:
        yield found


@pytest.fixture
def workflow(service: tuple[str, World], tmp_path: Path) -> Run:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CULM_")}
    environment = kept | {
        "HOME": str(tmp_path), "CULM_SERVER_URL": service[0], "CULM_TOKEN": token_of("alice"),
        "CULM_DATA_DIR": str(tmp_path / "data"),
    }  # fmt: skip

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "culm", "workflow", *words], capture_output=True,
            text=True, env=environment, cwd=tmp_path, check=False, timeout=60,
        )  # fmt: skip

    return run


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (("list",), 0, "12\tfailed\t1/2\talice\t2026-01-02 03:04:05\tuser.alice.w"),
        (("show", "last"), 0, "reason\tw.cwl:3 a#1: task 10000001 failed"),
        (("show", "12"), 0, r"● a\x1b[31m ↻ failed"),
        (("show", "12"), 0, "000_a_1\ta#1\tfailed\t10000001\ttask 10000001 failed"),
        (("steps", "12", "--status", "failed"), 0, "000_a_1\ta#1"),
        (("graph", "12"), 0, r"● a\x1b[31m ↻ failed"),
        (("history", "12"), 0, "started\tregistered\trunning"),
        (("wait", "12"), 1, "12\tfailed"),
        (("retry", "12"), 0, "12\tretry accepted"),
        (("pause", "12"), 0, "12\tpause accepted"),
        (("kill", "12", "--yes"), 0, "12\tkill accepted"),
        (("finish", "last", "--soft", "--yes"), 0, "12\tfinish accepted"),
    ],
)
def test_command_prints_and_ends_with(
    workflow: Run, words: tuple[str, ...], code: int, shown: str
) -> None:
    done = workflow(*words)
    assert (done.returncode, shown in done.stdout) == (code, True), done.stdout + done.stderr


@pytest.mark.parametrize("words", [("list",), ("show", "12"), ("steps", "12"), ("graph", "12"),
                                   ("history", "12"), ("wait", "12"), ("retry", "12")])  # fmt: skip
def test_json_is_one_value(workflow: Run, words: tuple[str, ...]) -> None:
    assert json.loads(workflow(*words, "--json").stdout)


def test_picture_is_written(workflow: Run, tmp_path: Path) -> None:
    done = workflow("graph", "12", "--svg", "w.svg")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "w.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", "13"), 4, "no workflow 13"),
        (("resume", "12"), 5, "resume needs one of paused"),
        (("kill", "12"), 2, "12 user.alice.w (failed)"),
        (("show", "x"), 2, "'x'"),
    ],
)
def test_refusals_say_why(workflow: Run, words: tuple[str, ...], code: int, said: str) -> None:
    done = workflow(*words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr
