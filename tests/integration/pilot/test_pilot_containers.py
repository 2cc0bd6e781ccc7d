"""Payloads in images: unpacked ones in bubblewrap, engines of the node, images that are missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from culm.core.images import refusal_of_bubblewrap
from culm.wire.error_codes import PilotError
from pilot.isolation import SHUT_IN
from tests.integration.pilot.test_pilot_runs_jobs import an_input, log_names

SHELL = "busybox"
needs_bubblewrap = pytest.mark.skipif(
    bool(refusal_of_bubblewrap(*SHUT_IN)) or not shutil.which(SHELL),
    reason="bubblewrap or busybox is missing",
)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A folder with the image `tiny`: a static busybox and nothing else."""
    root = tmp_path / "images" / "tiny:1" / "rootfs"
    (root / "bin").mkdir(parents=True)
    for name in ("sh", "cat", "ls", "env", "echo", "touch", "pwd", "sleep"):
        shutil.copy(shutil.which(SHELL) or "", root / "bin" / name)
    (root / "of_the_image").write_text("inside\n")
    config = {"config": {"Env": ["FROM_IMAGE=1", "PATH=/bin"], "Entrypoint": ["/bin/false"]}}
    (root.parent / "config.json").write_text(json.dumps(config))
    return tmp_path / "images"


@needs_bubblewrap
def test_payload_sees_its_image_its_directory_and_input_in_place(
    server, start, a_job, storage, images, tmp_path
):
    item = an_input(storage, "in.txt", b"of the site\n")
    (storage / "in.txt").chmod(0o444)
    command = (
        "cat /of_the_image in.txt > out.txt; pwd; env; ls /; ls /tmp; "
        f"cat {tmp_path}/token; touch /made; cat /etc/passwd; echo $FROM_IMAGE"
    )
    server.add(
        a_job(command, container_image="docker://tiny:1", inputs=(item,), reads_directly=True,
              outputs={"out.txt": "o.1"}, environment={"MINE": "7"})
    )  # fmt: skip
    start(images=images, once=True).ended()
    report = server.final(1)
    assert report.state == "finished", report
    assert (storage / "o.1").read_text() == "inside\nof the site\n"
    said = report.output_tail.splitlines()
    assert "/srv/workDir" in said
    assert {"MINE=7", "PATH=/bin", "HOME=/srv/workDir", "1"} <= set(said)
    assert not [line for line in said if line.startswith(("CULM", "SHELL=", "USER=")) or
                "provisioning" in line or "root:" in line]  # fmt: skip
    assert "Read-only file system" in report.output_tail
    assert log_names(storage / "job-1.log.tgz") == ["payload.stderr", "payload.stdout"]


@needs_bubblewrap
def test_payload_in_an_image_is_ended_gently(server, start, a_job, images):
    server.add(a_job("trap 'echo bye; exit 5' TERM; while :; do sleep 0.05; done",
                     container_image="tiny:1", walltime_seconds=1))  # fmt: skip
    start(images=images, once=True, kill_grace=5).ended()
    report = server.final(1)
    assert (report.exit_code, report.output_tail[:4]) == (5, "bye\n")


@needs_bubblewrap
def test_image_that_nobody_unpacked_is_not_found_in_words(
    server, start, a_job, images, monkeypatch
):
    _no_engines(monkeypatch, images.parent)
    server.add(a_job("echo ran", container_image="docker://nobody/has:it"))
    start(images=images, once=True).ended()
    report = server.final(1)
    assert (report.pilot_error_code, report.exit_code) == (PilotError.IMAGE_NOT_FOUND, None)
    assert "image docker://nobody/has:it is not found: nobody unpacked it" in (
        report.pilot_error_diag
    )


def test_node_without_engine_and_images_says_what_is_missing(
    server, start, a_job, monkeypatch, tmp_path
):
    _no_engines(monkeypatch, tmp_path)
    server.add(a_job("echo ran", container_image="docker://alpine"))
    start(once=True).ended()
    report = server.final(1)
    assert report.pilot_error_code == PilotError.SINGULARITY_NOT_INSTALLED
    assert "none of singularity, docker, podman works on this node" in report.pilot_error_diag


STAND_IN = """#!/bin/sh
# Stands in for an engine: notes how it was called, and runs the last three words here.
echo "$@" >> {calls}
case "$1 $2" in
  version*|info*|--version*) exit 0 ;;
  "image inspect") exit 1 ;;
  pull*) case "$2" in *missing*) echo "manifest for $2 not found" >&2; exit 1 ;; esac; exit 0 ;;
  rm*) exit 0 ;;
esac
case "$*" in *missing*) echo "FATAL: no such image" >&2; exit 255 ;; esac
while [ $# -gt 3 ]; do shift; done
exec /bin/sh -c "$3"
"""


@pytest.mark.parametrize("engine", ["docker", "podman", "singularity"])
def test_engine_of_the_node_gets_the_image_once_and_runs_it(
    server, start, a_job, monkeypatch, tmp_path, engine
):
    calls = _an_engine(monkeypatch, tmp_path, engine)
    server.add(*(a_job("echo x > out", job_id=n, container_image="docker://a/b:1", log=False,
                       outputs={"out": f"out.{n}"}) for n in (1, 2)))  # fmt: skip
    start(batch=2, max_jobs=2).ended()
    assert [server.final(n).state for n in (1, 2)] == ["finished", "finished"]
    said = calls.read_text().splitlines()
    fetched = "pull a/b:1" if engine != "singularity" else "docker://a/b:1 /bin/sh -c :"
    assert sum(line.endswith(fetched) for line in said) == 1
    ran = [line for line in said if line.endswith("echo x > out")]
    assert len(ran) == 2
    assert all("/srv/workDir" in line and str(tmp_path / "pilot") in line for line in ran)
    if engine != "singularity":
        assert sum(line.startswith("rm --force culm-") for line in said) == 2


@pytest.mark.parametrize("engine", ["docker", "singularity"])
def test_image_that_does_not_exist_is_not_found(
    server, start, a_job, monkeypatch, tmp_path, engine
):
    _an_engine(monkeypatch, tmp_path, engine)
    server.add(a_job("echo ran", container_image="docker://missing/image"))
    start(once=True).ended()
    report = server.final(1)
    assert (report.pilot_error_code, report.exit_code) == (PilotError.IMAGE_NOT_FOUND, None)
    assert f"{engine} cannot get image" in report.pilot_error_diag
    assert ("not found" in report.pilot_error_diag) or ("no such image" in report.pilot_error_diag)


def _no_engines(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """A PATH on which no engine is."""
    programs = folder / "programs"
    programs.mkdir()
    for name in ("bwrap", "sh", "true"):
        found = shutil.which(name)
        if found:
            (programs / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(programs))
    return programs


def _an_engine(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str) -> Path:
    programs, calls = _no_engines(monkeypatch, folder), folder / "calls"
    (programs / name).write_text(STAND_IN.format(calls=calls))
    (programs / name).chmod(0o755)
    return calls
