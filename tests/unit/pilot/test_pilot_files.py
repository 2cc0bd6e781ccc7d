"""The pilot's work with files: copy tools, outputs, metadata, directories, tokens."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from culm.core.errors import Misconfigured
from culm.wire.error_codes import PilotError
from culm.wire.job_spec import JobInput, JobOutput, JobSpec
from pilot.api import ServerApi
from pilot.attempt import Attempt
from pilot.content import ChecksumDiffers, Content, NotThere, TransferError
from pilot.copy_tools import CopyTools, FsspecTool, LocalTool
from pilot.errors import JobFailed, Stop, Stopped
from pilot.monitor import size_below
from pilot.sandboxes import Sandboxes
from pilot.secrecy import read_token
from pilot.stagein import stage_in
from pilot.stageout import find_outputs, user_metadata
from pilot.transfer import bring_in, bring_out
from pilot.workdir import RunDirectory, abandoned_runs, remove_tree


def go_on() -> None:
    """A gate that is open."""


def a_job(*outputs: str) -> JobSpec:
    placed = tuple(JobOutput(local_name=o, lfn="x", url="file:///x") for o in outputs)
    return JobSpec(
        job_id=1,
        task_id=2,
        attempt_nr=3,
        task_name="t",
        command="true",
        outputs=placed,
        inputs=(JobInput(lfn="in.txt", stream="IN", urls=()),),
    )


@pytest.fixture
def memory_storage():
    import fsspec

    files = fsspec.filesystem("memory")
    files.makedirs("/pilot-tests", exist_ok=True)
    yield "memory://pilot-tests"
    files.rm("/pilot-tests", recursive=True)


@pytest.fixture(params=["local", "fsspec"])
def tool_and_base(request, tmp_path, memory_storage):
    """The contract of copy tools is the same for each of them."""
    if request.param == "local":
        return LocalTool(), f"file://{tmp_path}/storage"
    return FsspecTool(), memory_storage


def test_what_is_stored_can_be_fetched(tool_and_base, tmp_path):
    tool, base = tool_and_base
    source = tmp_path / "a"
    source.write_bytes(os.urandom(3_000_000))
    tool.store(source, f"{base}/d/a", Content.of(source), go_on)
    tool.fetch(f"{base}/d/a", tmp_path / "b", go_on)
    assert (tmp_path / "b").read_bytes() == source.read_bytes()


def test_what_is_not_there_is_said_so(tool_and_base, tmp_path):
    tool, base = tool_and_base
    with pytest.raises(NotThere):
        tool.fetch(f"{base}/none", tmp_path / "b", go_on)


def test_other_content_is_not_overwritten(tool_and_base, tmp_path):
    tool, base = tool_and_base
    first, second = tmp_path / "1", tmp_path / "2"
    first.write_text("one")
    second.write_text("two")
    tool.store(first, f"{base}/d/x", Content.of(first), go_on)
    with pytest.raises(TransferError):
        tool.store(second, f"{base}/d/x", Content.of(second), go_on)
    tool.fetch(f"{base}/d/x", tmp_path / "back", go_on)
    assert (tmp_path / "back").read_text() == "one"


def test_stopped_transfer_leaves_nothing(tool_and_base, tmp_path):
    tool, base = tool_and_base
    source = tmp_path / "a"
    source.write_text("x")

    def closed() -> None:
        raise Stopped(Stop(PilotError.PANDA_KILL, "killed"))

    with pytest.raises(Stopped):
        tool.store(source, f"{base}/d/a", Content.of(source), closed)
    with pytest.raises(NotThere):
        tool.fetch(f"{base}/d/a", tmp_path / "b", go_on)


def test_bytes_that_changed_on_their_way_are_not_published(tmp_path):
    source = tmp_path / "a"
    source.write_text("new")
    with pytest.raises(ChecksumDiffers):
        LocalTool().store(source, f"file://{tmp_path}/s/a", Content(3, "00000001"), go_on)
    assert list((tmp_path / "s").iterdir()) == []


def test_transfer_of_an_unknown_scheme_names_the_tool(tmp_path):
    (tmp_path / "a").write_text("x")
    tools = CopyTools(ServerApi("http://127.0.0.1:1", "t"))
    with pytest.raises(JobFailed) as failure:
        bring_out(tools, tmp_path / "a", "gopher://x/y", go_on)
    assert failure.value.code == PilotError.UNKNOWN_COPY_TOOL


def test_input_without_a_place_has_no_replica(tmp_path):
    tools = CopyTools(ServerApi("http://127.0.0.1:1", "t"))
    with pytest.raises(JobFailed) as failure:
        bring_in(tools, JobInput(lfn="a", stream="IN", urls=()), tmp_path / "a", go_on)
    assert failure.value.code == PilotError.REPLICA_NOT_FOUND


@pytest.fixture
def stage_in_one(tmp_path, monkeypatch):
    """Stages one input in, from a storage that is (not) writable; gives its path, and the bytes."""

    def act(*, writable: bool, reads_directly: bool = True, size_bytes: int | None = 3):
        storage, work = tmp_path / "storage", tmp_path / "work"
        storage.mkdir()
        work.mkdir()
        (storage / "in.txt").write_text("abc")
        (work / "in.txt").write_text("of the sandbox")
        # Root may write everywhere but on a disk that is mounted read-only.
        monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK or writable)
        urls = (f"file://{tmp_path}/gone/in.txt", f"file://{storage}/in.txt")
        item = JobInput(lfn="in.txt", stream="IN", size_bytes=size_bytes, urls=urls)
        tools = CopyTools(ServerApi("http://127.0.0.1:9", "token"))
        spec = replace(a_job(), inputs=(item,), reads_directly=reads_directly)
        return work / "in.txt", stage_in(spec, work, tools, Sandboxes(tmp_path, None), go_on)

    return act


@pytest.mark.parametrize(("how", "is_link"), [
    pytest.param({"writable": False}, True, id="in place"),
    pytest.param({"writable": True}, False, id="a payload could change it"),
    pytest.param({"writable": False, "reads_directly": False}, False, id="forceStaged"),
])  # fmt: skip
def test_input_is_read_in_place_only_where_that_does_no_harm(stage_in_one, how, is_link):
    path, staged = stage_in_one(**how)
    assert (path.is_symlink(), path.read_text(), staged.input_bytes) == (is_link, "abc", 3)


def test_input_of_another_size_is_not_read_in_place(stage_in_one):
    with pytest.raises(JobFailed, match="has 3 bytes, 9 are recorded"):
        stage_in_one(writable=False, size_bytes=9)


def test_token_goes_to_the_server_only():
    server = ServerApi("http://host:8810", "t")
    urls = ["http://host:8810/v1/x", "/v1/x", "http://host:8810.evil.org/v1/x",
            "http://host:88101/v1/x", "https://host:8810/v1/x"]  # fmt: skip
    assert [server.owns(url) for url in urls] == [True, True, False, False, False]


def test_pattern_matches_neither_inputs_nor_the_pilots_files(tmp_path):
    for name in ("in.txt", "a.txt", "b.txt", "payload.stdout"):
        (tmp_path / name).write_text(name)
    (tmp_path / "d.txt").mkdir()
    (tmp_path / "out.txt").symlink_to("/etc/passwd")
    found = find_outputs(a_job("*.txt"), tmp_path)
    assert [path.name for path in found[0].files] == ["a.txt", "b.txt"]


def test_missing_outputs_are_all_named(tmp_path):
    with pytest.raises(JobFailed, match=r"a\.txt, b\*"):
        find_outputs(a_job("a.txt", "b*"), tmp_path)


def test_link_inside_the_work_directory_is_an_output(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "x").write_text("1")
    (tmp_path / "out").symlink_to("deep/x")
    assert find_outputs(a_job("out"), tmp_path)[0].files == (tmp_path / "out",)


@pytest.mark.parametrize("body", [b"{", b"\xff", b'"' + b"x" * 1_000_000 + b'"', b"NaN"])
def test_bad_metadata_fails_the_job(tmp_path, body):
    (tmp_path / "userJobMetadata.json").write_bytes(body)
    with pytest.raises(JobFailed):
        user_metadata(tmp_path)


def test_metadata_is_not_read_through_a_link_that_leads_outside(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "secret.json").write_text("{}")
    (tmp_path / "w" / "userJobMetadata.json").symlink_to(tmp_path / "secret.json")
    assert user_metadata(tmp_path / "w") is None


def test_run_is_abandoned_once_its_pilot_is_gone(tmp_path):
    run = RunDirectory(tmp_path)
    run.job(Attempt(a_job()))
    assert abandoned_runs(tmp_path) == []
    os.close(run._lock)
    assert abandoned_runs(tmp_path) == [run.path]


def test_directory_without_rights_is_removed(tmp_path):
    locked = tmp_path / "a" / "b"
    locked.mkdir(parents=True)
    (locked / "f").write_text("x")
    locked.chmod(0)
    (tmp_path / "a").chmod(0o500)
    remove_tree(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_size_of_a_directory_follows_no_link(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(os.urandom(100_000))
    (tmp_path / "usr").symlink_to("/usr")
    assert 100_000 <= size_below(tmp_path) < 200_000


def test_token_is_read_without_its_newline(tmp_path):
    (tmp_path / "t").write_text("abc.def\n")
    assert read_token(str(tmp_path / "t"), {}) == "abc.def"
    assert read_token("nowhere", {"CULM_TOKEN": "x.y"}) == "x.y"


@pytest.mark.parametrize("content", ["", "two words", "bell\x07"])
def test_file_without_a_token_is_refused(tmp_path, content):
    (tmp_path / "t").write_text(content)
    with pytest.raises(Misconfigured) as error:
        read_token(str(tmp_path / "t"), {})
    assert content not in str(error.value) or not content
    assert Path(tmp_path / "t").name in str(error.value)
