"""Which files of a directory are sent along, and that the same contents have one digest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from culm.client.sandbox import Choice, choose, pack_sandbox
from culm.core.archives import extract
from culm.core.errors import InvalidRequest, TooLarge


def scene(root: Path) -> Path:
    for name in ("a.py", "lib/b.py", ".git/HEAD", "lib/__pycache__/b.pyc", ".hidden"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (root / "big.dat").write_bytes(bytes(2000))
    return root


def names(root: Path, **choice) -> list[str]:
    return [name for name, _ in choose(root, Choice(1000, **choice)).files]


def test_history_and_leavings_and_big_files_stay_here(tmp_path: Path) -> None:
    chosen = choose(scene(tmp_path), Choice(1000))
    assert [name for name, _ in chosen.files] == [".hidden", "a.py", "lib/b.py"]
    assert list(map(str, chosen.left_out)) == ["big.dat (2 KB, over --maxFileSize)"]


def test_user_may_add_and_leave_out(tmp_path: Path) -> None:
    assert "big.dat" in names(scene(tmp_path), also=["*.dat"])
    assert names(tmp_path, never=["lib", ".hidden"]) == ["a.py"]
    assert choose(tmp_path, Choice(1000, never=["*.dat"])).left_out == ()


def test_links_to_files_go_as_files_and_others_are_named(tmp_path: Path) -> None:
    scene(tmp_path)
    (tmp_path / "link.py").symlink_to("a.py")
    (tmp_path / "linked").symlink_to("lib")
    (tmp_path / "broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    chosen = choose(tmp_path, Choice(1000))
    assert "link.py" in [name for name, _ in chosen.files]
    assert {left.name: left.reason for left in chosen.left_out if left.name != "big.dat"} == {
        "linked/": "a link to a folder", "broken": "a broken link", "pipe": "no regular file",
    }  # fmt: skip


def test_keys_and_tokens_of_culm_stay_here(tmp_path: Path) -> None:
    (tmp_path / "data" / "tokens").mkdir(parents=True)
    (tmp_path / "data" / "tokens" / "user.token").write_text("secret")
    chosen = choose(tmp_path, Choice(1000, private=tmp_path / "data"))
    assert (chosen.files, chosen.left_out[0].name) == ((), "data/")


def test_same_contents_have_one_digest(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        scene(tmp_path / folder)
        os.utime(tmp_path / folder / "a.py", (1, 1) if folder == "one" else (9, 9))
    packed = [
        pack_sandbox(choose(tmp_path / folder, Choice(1000)), tmp_path / f"{folder}.tgz", 1)
        for folder in ("one", "two")
    ]
    assert packed[0].digest == packed[1].digest
    (tmp_path / "out").mkdir()
    extract(packed[0].path, tmp_path / "out")
    assert (tmp_path / "out" / "lib" / "b.py").read_text() == "lib/b.py"


def test_sandbox_over_the_limit_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "noise").write_bytes(os.urandom(1_100_000))
    chosen = choose(tmp_path / "work", Choice(10**7))
    with pytest.raises(TooLarge, match="1 MB are allowed") as caught:
        pack_sandbox(chosen, tmp_path / "out.tgz", 1)
    assert "culm dataset add" in caught.value.hint


def test_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="nowhere"):
        choose(tmp_path / "nowhere", Choice(1))
