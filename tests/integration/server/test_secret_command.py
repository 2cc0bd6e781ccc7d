"""`culm secret` and `culm db new-secret-key` against a server process: what it prints and logs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.calls import Run, in_this_process
from tests.live_server import LiveServer, live_server
from tests.server_scene import a_token

PLANTED = "pl4nted-s3cret-value"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("secrets")
    with live_server(f"sqlite:///{folder}/culm.db", folder) as server:
        yield server


@pytest.fixture
def culm(running: LiveServer, tmp_path: Path) -> Run:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CULM_")}
    told = {f"CULM_{n.upper()}": str(v) for n, v, _ in running.settings.items()}
    token = a_token(running.settings, "alice", "user")
    return in_this_process(kept | told | {"HOME": str(tmp_path), "CULM_TOKEN": token}, tmp_path)


def test_secret_is_set_listed_shown_and_deleted(culm: Run, running: LiveServer) -> None:
    done = culm("secret", "set", "TOKEN", stdin=PLANTED + "\n")
    assert (done.returncode, PLANTED in done.stdout + done.stderr) == (0, False), done.stderr
    assert culm("secret", "show", "TOKEN").stdout == PLANTED
    listed = culm("secret", "list", "--json")
    assert [s["name"] for s in json.loads(listed.stdout)] == ["TOKEN"]
    assert "TOKEN\ttext\t20" in culm("secret", "list").stdout
    refused = culm("secret", "delete", "TOKEN")
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    assert culm("secret", "delete", "TOKEN", "--yes").returncode == 0
    gone = culm("secret", "show", "TOKEN")
    assert (gone.returncode, "no secret TOKEN" in gone.stderr) == (4, True)
    assert "deleted\tTOKEN" in culm("secret", "history").stdout
    assert PLANTED not in running.log.read_text()


def test_file_is_a_secret(culm: Run, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(b"\x00\xff")
    done = culm("secret", "set", "key.pem", "--file", "key.pem", "--json")
    assert json.loads(done.stdout)["is_file"] is True
    assert culm("secret", "delete", "--all", "--yes").returncode == 0
    assert json.loads(culm("secret", "list", "--json").stdout) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "T", "x", "--file", "y"), "not together with a value"),
        (("set", "T", "--file", "/nowhere/y"), "a file that can be read"),
        (("set", "T"), "say what the secret is"),
        (("delete",), "name secrets, or say --all"),
        (("delete", "T", "--all"), "name secrets, or say --all"),
    ],
)
def test_wrong_words_are_named(culm: Run, words: tuple[str, ...], said: str) -> None:
    done = culm("secret", *words)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_new_key_is_made_while_the_server_runs(culm: Run, running: LiveServer) -> None:
    culm("secret", "set", "TOKEN", PLANTED)
    done = culm("db", "new-secret-key")
    assert (done.returncode, "1 secrets sealed anew" in done.stderr) == (0, True), done.stderr
    made = Path(done.stdout.strip())
    for path in made.parent.glob("*.key"):
        if path != made:
            path.unlink()
    assert culm("secret", "show", "TOKEN").stdout == PLANTED
