"""Commands that open the books themselves, where the books are not as they should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from culm.cli.main import run


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CULM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


# The daemon ends its own process when it is done: its own tests start one.
OPENING = [
    ["audit"],
    ["simulate", "--books", "1"],
    ["db", "status"],
    ["server"],
    ["token", "revoke", "--id", "x"],
]


@pytest.mark.parametrize("words", OPENING, ids=" ".join)
def test_database_that_is_not_there_is_named_and_not_made(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("CULM_DATABASE_URL", f"sqlite:///{tmp_path}/folder/books.db")
    assert run(words) == 2
    err = capsys.readouterr().err
    assert f"there is no database {tmp_path}/folder/books.db (CULM-9001)" in err
    assert "culm db init" in err
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("words", [["audit"], ["simulate", "--books", "1"]], ids=" ".join)
def test_file_that_is_no_database_is_named(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "books.db"
    monkeypatch.setenv("CULM_DATABASE_URL", f"sqlite:///{path}")
    path.write_text("this is no database" * 100)
    assert run(words) == 2
    assert f"{path} is no SQLite database, or damaged: file is not" in capsys.readouterr().err
    path.write_text("")
    assert run(words) == 2
    assert "the database has schema none" in capsys.readouterr().err


@pytest.mark.parametrize(("url", "code", "said"), [
    ("nonsense", 2, "neither sqlite:///FILE nor postgresql://"),
    ("mysql://x", 2, "neither sqlite:///FILE nor postgresql://"),
    ("postgresql://nobody@127.0.0.1:9/x", 6, "the database did not take it: connection failed"),
])  # fmt: skip
def test_database_that_cannot_be_used_is_no_internal_error(
    url: str, code: int, said: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("CULM_DATABASE_URL", url)
    for words in (["audit"], ["db", "status"], ["db", "init"]):
        assert run(words) == code
        assert said in capsys.readouterr().err


def test_database_that_cannot_be_made_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CULM_DATABASE_URL", "sqlite:////proc/x/books.db")
    assert run(["db", "init"]) == 2
    assert "sqlite:////proc/x/books.db cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_token_that_cannot_be_read_is_not_taken_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    assert run(["token", "revoke", str(path)]) == 2
    assert f"TOKEN_FILE: {path}" in capsys.readouterr().err
