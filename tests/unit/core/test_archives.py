"""Archives: the same files give the same bytes; what is unsafe is not unpacked."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
from pathlib import Path

import pytest

from culm.core.archives import ArchiveContents, ArchiveLimits, check, extract, files_below, pack
from culm.core.errors import TooLarge, UnsafeArchive


def a_member(name: str, kind: bytes = tarfile.REGTYPE, *, mode: int = 0o644, link: str = ""):
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.linkname = kind, mode, link
    return member


def an_archive(path: Path, *members: tarfile.TarInfo, content: bytes = b"") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))
    return path


def a_tree(root: Path) -> Path:
    (root / "data").mkdir(parents=True)
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "data" / "numbers").write_bytes(b"\x00\x01" * 70_000)
    return root


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return folder


def test_packing_twice_gives_the_same_bytes(tmp_path: Path):
    first, second = a_tree(tmp_path / "a"), a_tree(tmp_path / "b")
    os.utime(second / "run.sh", (1, 1))
    (second / "data").chmod(0o700)
    pack(files_below(first), tmp_path / "a.tgz")
    pack(files_below(second), tmp_path / "b.tgz")
    assert (tmp_path / "a.tgz").read_bytes() == (tmp_path / "b.tgz").read_bytes()


def test_what_was_packed_comes_out_again(tmp_path: Path, target: Path):
    tree = a_tree(tmp_path / "tree")
    packed = pack(files_below(tree), tmp_path / "a.tgz")
    assert packed == check(tmp_path / "a.tgz") == extract(tmp_path / "a.tgz", target)
    assert packed == ArchiveContents(n_files=2, size_bytes=140_010)
    assert (target / "data" / "numbers").read_bytes() == b"\x00\x01" * 70_000
    assert stat.S_IMODE((target / "run.sh").stat().st_mode) & 0o700 == 0o700


def test_names_that_are_left_out_are_not_packed(tmp_path: Path):
    tree = a_tree(tmp_path / "tree")
    assert [name for name, _ in files_below(tree, leave_out={"data"})] == ["run.sh"]


def test_links_are_refused_or_skipped_when_packing(tmp_path: Path):
    tree = a_tree(tmp_path / "tree")
    (tree / "shadow").symlink_to("/etc/shadow")
    with pytest.raises(UnsafeArchive, match="shadow"):
        files_below(tree)
    assert "shadow" not in dict(files_below(tree, skip_links=True))


def test_nothing_is_left_when_a_file_cannot_be_packed(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        pack([("gone", tmp_path / "gone")], tmp_path / "a.tgz")
    assert not (tmp_path / "a.tgz").exists()


@pytest.mark.parametrize(
    "member",
    [
        a_member("../outside"),
        a_member("a/../../outside"),
        a_member("/etc/passwd"),
        a_member("link", tarfile.SYMTYPE, link="/etc"),
        a_member("hard", tarfile.LNKTYPE, link="run.sh"),
        a_member("null", tarfile.CHRTYPE),
        a_member("disk", tarfile.BLKTYPE),
        a_member("pipe", tarfile.FIFOTYPE),
        a_member("root", mode=0o4755),
        a_member("bell\x07"),
        a_member("back\\slash"),
        a_member("x" * 1200),
        a_member("."),
    ],
    ids=lambda member: repr(member.name[:20]),
)
def test_unsafe_member_is_refused(tmp_path: Path, target: Path, member: tarfile.TarInfo):
    archive = an_archive(tmp_path / "bad.tgz", member)
    for act in (lambda: check(archive), lambda: extract(archive, target)):
        with pytest.raises(UnsafeArchive):
            act()
    assert list(target.iterdir()) == []


def test_member_below_a_file_or_given_twice_is_refused(tmp_path: Path, target: Path):
    with pytest.raises(UnsafeArchive, match="twice"):
        extract(an_archive(tmp_path / "1.tgz", a_member("a"), a_member("a")), target)
    with pytest.raises(UnsafeArchive):
        extract(an_archive(tmp_path / "2.tgz", a_member("b"), a_member("b/c")), target)


def test_member_does_not_follow_a_link_that_is_there(tmp_path: Path, target: Path):
    (target / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafeArchive):
        extract(an_archive(tmp_path / "a.tgz", a_member("out")), target)
    assert not (tmp_path / "elsewhere").exists()


def test_too_many_members_are_refused(tmp_path: Path, target: Path):
    archive = an_archive(tmp_path / "a.tgz", *(a_member(f"f{n}") for n in range(11)))
    with pytest.raises(TooLarge, match="10 members"):
        extract(archive, target, ArchiveLimits(max_members=10))


def test_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, target: Path):
    archive = an_archive(tmp_path / "a.tgz", a_member("zeros"), content=bytes(4_000_000))
    assert archive.stat().st_size < 10_000
    with pytest.raises(TooLarge):
        extract(archive, target, ArchiveLimits(max_bytes=1_000_000))
    assert list(target.iterdir()) == []


def test_header_of_many_megabytes_is_refused(tmp_path: Path, target: Path):
    member = a_member("x")
    member.pax_headers = {"comment": "x" * 3_000_000}
    with pytest.raises(UnsafeArchive, match="megabyte"):
        extract(an_archive(tmp_path / "a.tgz", member), target)


def test_many_extended_headers_are_refused(tmp_path: Path, target: Path):
    header = tarfile.TarInfo("g")
    header.type = tarfile.XGLTYPE
    archive = tmp_path / "a.tgz"
    archive.write_bytes(gzip.compress(header.tobuf() * 20_000))
    with pytest.raises(UnsafeArchive):
        extract(archive, target)


@pytest.mark.parametrize("body", [b"", b"not gzip", gzip.compress(b"not tar" * 300, mtime=0)])
def test_what_is_no_archive_is_refused(tmp_path: Path, target: Path, body: bytes):
    (tmp_path / "a.tgz").write_bytes(body)
    with pytest.raises(UnsafeArchive):
        extract(tmp_path / "a.tgz", target)


def test_truncated_archive_is_refused(tmp_path: Path, target: Path):
    whole = an_archive(tmp_path / "a.tgz", a_member("a"), content=os.urandom(50_000))
    (tmp_path / "cut.tgz").write_bytes(whole.read_bytes()[:20_000])
    with pytest.raises(UnsafeArchive):
        check(tmp_path / "cut.tgz")
