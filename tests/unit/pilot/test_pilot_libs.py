"""Lib files: what a build leaves comes back as it was, within its limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from culm.wire.job_spec import JobInput, JobOutput
from pilot.api import ServerApi
from pilot.content import Content
from pilot.copy_tools import CopyTools
from pilot.errors import JobFailed
from pilot.libs import pack_lib, unpack_lib
from pilot.transforms.outputs import STDERR, STDOUT, lib_files

TOOLS = CopyTools(ServerApi("http://127.0.0.1:1", "t"))


@pytest.fixture
def built(tmp_path: Path) -> Path:
    work = tmp_path / "built"
    (work / "bin").mkdir(parents=True)
    (work / "bin" / "tool").write_text("#!/bin/sh\necho built\n")
    (work / "bin" / "tool").chmod(0o755)
    (work / "libx.so.1").write_bytes(b"\x7fELF")
    (work / "libx.so").symlink_to("libx.so.1")
    (work / "outside").symlink_to("/etc/hostname")
    (work / "folder").symlink_to("bin")
    (work / "dangling").symlink_to("nothing")
    for name in (STDOUT, STDERR):
        (work / name).write_text("what the build printed")
    return work


def a_lib(url: str, path: Path) -> JobInput:
    content = Content.of(path)
    return JobInput(lfn="x", stream="", urls=(url,), size_bytes=content.size_bytes,
                    adler32=content.adler32)  # fmt: skip


def an_output(max_bytes: int | None = None) -> JobOutput:
    return JobOutput(local_name="lib.tgz", lfn="l", url="", kind="lib", max_bytes=max_bytes)


def test_lib_brings_back_what_was_built(built: Path, tmp_path: Path) -> None:
    archive, work = tmp_path / "lib.tgz", tmp_path / "work"
    work.mkdir()
    pack_lib(an_output(), built, archive)
    names = unpack_lib(a_lib(archive.as_uri(), archive), work, TOOLS, lambda: None)
    assert names == {"bin/tool", "libx.so", "libx.so.1"}
    assert (work / "bin" / "tool").stat().st_mode & 0o777 == 0o755
    assert (work / "libx.so").read_bytes() == b"\x7fELF"
    assert not list(tmp_path.glob("work.*"))


def test_links_that_lead_elsewhere_are_left_out(built: Path) -> None:
    assert [name for name, _ in lib_files(built)] == ["bin/tool", "libx.so", "libx.so.1"]


@pytest.mark.parametrize(("most", "words"), [(10, "0.0 MB packed"), (1, "--bexec")])
def test_build_that_leaves_too_much_fails_and_names_the_option(
    built: Path, tmp_path: Path, most: int, words: str
) -> None:
    with pytest.raises(JobFailed, match=words) as caught:
        pack_lib(an_output(most), built, tmp_path / "lib.tgz")
    assert caught.value.code == 1124


@pytest.mark.parametrize(
    ("damage", "code"),
    [({"adler32": "00000000"}, 1171), ({"urls": ("file:///nowhere/lib.tgz",)}, 1100)],
)
def test_lib_that_is_not_what_was_recorded_is_not_unpacked(
    built: Path, tmp_path: Path, damage: dict[str, object], code: int
) -> None:
    archive, work = tmp_path / "lib.tgz", tmp_path / "work"
    work.mkdir()
    pack_lib(an_output(), built, archive)
    lib = replace(a_lib(archive.as_uri(), archive), **damage)  # type: ignore[arg-type]
    with pytest.raises(JobFailed) as caught:
        unpack_lib(lib, work, TOOLS, lambda: None)
    assert (caught.value.code, list(work.iterdir())) == (code, [])


def test_lib_that_is_no_archive_is_named(tmp_path: Path) -> None:
    archive, work = tmp_path / "lib.tgz", tmp_path / "work"
    work.mkdir()
    archive.write_text("no archive")
    with pytest.raises(JobFailed, match="lib file x: not a readable"):
        unpack_lib(a_lib(archive.as_uri(), archive), work, TOOLS, lambda: None)
