"""The launcher of PanDA's pilot: what it refuses, and where it starts the pilot."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from culm.client import panda_pilot
from culm.client.panda_pilot import PandaPilot, write_launcher
from culm.core.errors import InvalidRequest, NotFound, Unreachable
from tests.panda_pilot import why_not_isolated

QUEUE = {"astorages": {"pr": ["DISK"]}}
STORAGE = {"DISK": {"arprotocols": {"read_lan": [{"path": "/shared/.panda/"}]}}}


@pytest.fixture
def wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PandaPilot:
    """A pilot whose program only says what it was given."""
    source = tmp_path / "panda-pilot"
    (source / "pilot" / "util").mkdir(parents=True)
    (source / "pilot.py").write_text("started")
    (source / "pilot" / "util" / "default.cfg").write_text(
        "queues_url: https://x/{pandaqueue}.json\nstorages_url: https://x/ddm.json\nother: 1\n"
    )
    answers = {"LOCAL.all.json": QUEUE, "ddmendpoints.json": STORAGE}
    monkeypatch.setattr(panda_pilot, "_json", lambda url: answers[url.rsplit("/", 1)[1]])
    return PandaPilot(server="http://here:8080", queue="LOCAL", source=source, token="abc\n",
                      python="/bin/echo")  # fmt: skip


def test_files_lead_to_our_server_and_the_token_has_no_newline(
    wanted: PandaPilot, tmp_path: Path
) -> None:
    out = write_launcher(wanted, tmp_path / "out").parent
    assert (out / "token").read_bytes() == b"abc"
    assert (out / ".curlrc").read_text() == (
        'connect-to = "pandaserver-doma.cern.ch:25080:here:8080"\n'
    )
    assert (out / "pilot.cfg").read_text() == (
        "queues_url: http://here:8080/cache/schedconfig/{pandaqueue}.json\n"
        "storages_url: http://here:8080/cache/ddmendpoints.json\nother: 1\n"
    )
    assert {path.stat().st_mode & 0o077 for path in out.iterdir()} == {0}


def test_it_refuses_to_start_where_others_could_be_killed(
    wanted: PandaPilot, tmp_path: Path
) -> None:
    launcher = write_launcher(wanted, tmp_path / "out")
    # On purpose without run.sh: in this namespace there are many processes, pytest's own too.
    others = [subprocess.Popen(["sleep", "60"]) for _ in range(panda_pilot.MOST_PROCESSES)]
    try:
        ended = subprocess.run([str(launcher.with_name("inside.sh"))], capture_output=True,
                               text=True, check=False, timeout=20)  # fmt: skip
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert ended.returncode == 64
    assert "processes can be seen, 8 at most may be: start run.sh" in ended.stderr
    assert ended.stdout == ""


def test_it_starts_the_pilot_alone_in_a_namespace_with_all_it_needs(
    wanted: PandaPilot, tmp_path: Path
) -> None:
    reason = why_not_isolated()
    if reason:
        pytest.skip(f"no PID namespace here: {reason}")
    launcher = write_launcher(wanted, tmp_path / "out")
    ended = subprocess.run([str(launcher), "-x", "1"], capture_output=True, text=True, check=False,
                           timeout=20, env={"PANDA_PILOT_WORK": str(tmp_path),
                                            "PATH": "/usr/bin:/bin:/usr/sbin"})  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    words = ended.stdout.split()
    assert words[0].endswith("panda-pilot/pilot.py")
    assert words[-2:] == ["-x", "1"]
    for option, value in (("--url", "http://here"), ("-p", "8080"), ("-q", "LOCAL"),
                          ("--input-destination-dir", "/shared/.panda/")):  # fmt: skip
        assert words[words.index(option) + 1] == value


def test_a_folder_without_the_pilots_program_is_refused(wanted: PandaPilot, tmp_path: Path) -> None:
    (wanted.source / "pilot.py").unlink()
    with pytest.raises(InvalidRequest, match="this is no panda-pilot"):
        write_launcher(wanted, tmp_path / "out")


def test_a_queue_without_a_directory_is_refused(
    wanted: PandaPilot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STORAGE, "DISK", STORAGE["DISK"])
    monkeypatch.delitem(STORAGE, "DISK")
    with pytest.raises(NotFound, match="queue LOCAL has no storage that is a directory"):
        write_launcher(wanted, tmp_path / "out")


def test_a_server_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "pilot.py").write_text("")
    nobody = PandaPilot(server="http://127.0.0.1:9", queue="Q", source=tmp_path, token="t")
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9/cache/schedconfig/Q"):
        write_launcher(nobody, tmp_path / "out")
