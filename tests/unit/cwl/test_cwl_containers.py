"""Containers of CWL tools: which engine, which unpacked image, and what a tool sees in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from culm.core.images import Image, refusal_of_bubblewrap
from cwl import containers
from cwl.containers import engine_for, mend_links
from tests.unit.cwl.test_cwl_execute import TOOL, a_tool, archived, run

SHELL = "busybox"
SEES = (
    "requirements:\n"
    f"  DockerRequirement: {{dockerPull: {SHELL}, dockerOutputDirectory: /bin/out}}\n"
)


@pytest.fixture
def no_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "ENGINES", {})


def an_image(folder: Path, *programs: str, under: str = "") -> Path:
    """An image with programs of a static busybox."""
    root = folder / under
    (root / "bin").mkdir(parents=True)
    for name in programs:
        shutil.copy(shutil.which(SHELL) or "", root / "bin" / name)
    return root


@pytest.mark.parametrize(("asked", "unpacked"), [
    ("debian", "debian"),
    ("debian", "debian:latest"),
    ("debian:latest", "debian"),
    ("docker.io/library/python:3-slim", "python:3-slim"),
    ("docker://quay.io/org/tool:1.0", "quay.io/org/tool:1.0"),
    ("host:5000/tool", "host:5000/tool:latest"),
])  # fmt: skip
def test_image_is_found_by_the_names_it_may_have(
    asked: str, unpacked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "refusal_of_bubblewrap", lambda *_: "")
    (tmp_path / unpacked / "bin").mkdir(parents=True)
    (tmp_path / "default" / "bin").mkdir(parents=True)
    found = engine_for({"dockerPull": asked}, str(tmp_path))
    assert isinstance(found, containers.Engine)
    assert found.image == Image(tmp_path / unpacked)


@pytest.mark.usefixtures("no_engines")
@pytest.mark.parametrize(("asked", "words"), [
    ({"dockerPull": "x/../../etc"}, "image x/../../etc: none of"),
    ({"dockerPull": "debian"}, "nobody unpacked it into"),
    ({"dockerFile": "FROM debian"}, "image (none is named)"),
])  # fmt: skip
def test_image_that_nobody_unpacked_is_refused_in_words(
    asked: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "refusal_of_bubblewrap", lambda *_: "")
    found = engine_for(asked, str(tmp_path))
    assert isinstance(found, str)
    assert words in found


def test_engine_counts_only_if_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, code in (("singularity", 1), ("docker", 1), ("podman", 0)):
        (tmp_path / name).write_text(f"#!/bin/sh\nexit {code}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = engine_for({"dockerPull": "debian"}, None)
    assert isinstance(found, containers.Engine)
    assert (found.flags, found.runner) == ({"podman": True}, None)


@pytest.mark.parametrize(("document", "environment", "entrypoint"), [
    ('{"config": {"Env": ["PATH=/opt/bin", "A=b=c"], "Entrypoint": ["/run.sh"]}}',
     {"PATH": "/opt/bin", "A": "b=c"}, ("/run.sh",)),
    ('{"process": {"env": ["A=1"], "args": ["sh"]}}', {"A": "1"}, ()),
])  # fmt: skip
def test_configuration_of_an_image_counts(
    document: str, environment: dict[str, str], entrypoint: tuple[str, ...], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(containers, "refusal_of_bubblewrap", lambda *_: "")
    (tmp_path / "tool" / "rootfs").mkdir(parents=True)
    (tmp_path / "tool" / "config.json").write_text(document)
    found = engine_for({"dockerImageId": "tool"}, str(tmp_path))
    assert isinstance(found, containers.Engine)
    assert found.image == Image(tmp_path / "tool" / "rootfs", environment, entrypoint)


def test_links_lead_where_they_did_in_the_container_or_nowhere(tmp_path: Path) -> None:
    made, given, secret = tmp_path / "made", tmp_path / "given.txt", tmp_path / "secret"
    (made / "sub").mkdir(parents=True)
    for path in (made / "own", given, secret):
        path.write_text(path.name)
    links = {
        "beside": "own", "absolute": "/out/own", "input": "/in/given.txt", "around": "here/own",
        "here": ".", "host": str(secret), "up": "../secret", "turn": "here/../secret",
        "sub/deep": "../../secret",
    }  # fmt: skip
    for name, target in links.items():
        (made / name).symlink_to(target)
    mend_links(made, {"/out": str(made), "/in/given.txt": str(given)})
    found = {name: (made / name).read_text() for name in links if (made / name).is_file()}
    assert found == {"beside": "own", "absolute": "own", "input": "given.txt", "around": "own"}


@pytest.mark.skipif(
    bool(refusal_of_bubblewrap()) or not shutil.which(SHELL),
    reason="bubblewrap does not work here, or there is no busybox for an image",
)
def test_tool_in_bubblewrap_sees_its_image_its_inputs_and_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    an_image(tmp_path / "images" / SHELL, "sh", "cat", "ls", "env")
    monkeypatch.setenv("CULM_IMAGES", str(tmp_path / "images"))
    monkeypatch.setenv("SECRET", "known")
    work = tmp_path / "a:b c"
    work.mkdir()
    (work / "in:put.txt").write_text("mine")
    code, result = run(
        work, a_tool(TOOL.replace("requirements:\n", SEES)),
        script="(cat text; pwd; ls /; env; cat /proc/net/dev; echo x > /x || echo shut) > made.txt",
        text={"class": "File", "location": "file:///culm-bundle/in%3Aput.txt"},
    )  # fmt: skip
    assert (code, result["status"]) == (0, "success"), result
    lines = archived(work)["made.txt"].splitlines()
    assert lines[0] == "mine/bin/out", "it is a folder in one of the image's"
    assert {"bin", "dev", "proc", "tmp", "shut"} <= set(lines)
    assert not {"home", "usr", "SECRET=known"} & set(lines)
    assert [line.strip().partition(":")[0] for line in lines if "lo:" in line or "eth" in line] == [
        "lo"
    ]


def test_types_that_cwltool_would_load_schemas_for_are_as_in_its_schemas() -> None:
    from cwltool.process import get_schema

    from cwl import execute

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(one) for one in value]
        if not isinstance(value, dict):
            return value
        return {k: plain(v) for k, v in value.items() if k not in ("doc", "jsonldPredicate")}

    theirs = get_schema("v1.0")[3].idx
    for name in execute._TEXTS:
        there, here = plain(theirs[execute._CWL + name]), execute._node_type(name)
        for one in (there, here):
            one["fields"].sort(key=lambda field: field["name"])
        assert here == {k: there[k] for k in ("name", "type", "fields")}


def test_containers_that_are_no_children_are_ended_with_the_job(tmp_path: Path) -> None:
    (tmp_path / "docker").write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/told\n')
    (tmp_path / "docker").chmod(0o755)
    (tmp_path / "x.cid").write_text("abc")
    program = (
        "import os, signal, pathlib\nfrom cwl.containers import *\n"
        f"end_containers_at_signal(Engine('docker'), pathlib.Path({str(tmp_path)!r}))\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, env={**os.environ, "PATH": path},
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.returncode == 143
    assert (tmp_path / "told").read_text() == "kill abc\n"
