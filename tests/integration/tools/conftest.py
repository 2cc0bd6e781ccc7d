"""One running server for the user's tools, and the command line as alice types it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from culm.cli.main import run
from culm.client import Client
from tasks.store.books import Books
from tests.live_server import LiveServer, live_server
from tests.server_scene import a_token


@dataclass(frozen=True)
class Desk:
    """Alice at her keyboard."""

    server: LiveServer
    client: Client
    capsys: pytest.CaptureFixture[str]

    @property
    def books(self) -> Books:
        """The books behind the server."""
        return self.server.books

    def does(self, *words: str) -> tuple[int, str, str]:
        """The exit code of a command, and what it printed to standard output and error."""
        code = run(words)
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def gets(self, *words: str) -> Any:
        """What a command that does well prints as JSON."""
        code, out, err = self.does(*words)
        assert code == 0, err
        return json.loads(out)


@pytest.fixture(scope="session")
def tools_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server over books on SQLite."""
    folder = tmp_path_factory.mktemp("tools")
    with live_server(f"sqlite:///{folder}/culm.db", folder) as running:
        with running.books.write() as session:
            run = session.connection().exec_driver_sql
            run("UPDATE queue SET settings = '{\"n_slots\": 1000000}'")
            run("UPDATE storage_endpoint SET directory = NULL")  # outputs are not looked for
        yield running


@pytest.fixture
def desk(
    tools_server: LiveServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Desk]:
    """Alice, in an empty directory."""
    token = a_token(tools_server.settings, "alice", "user")
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CULM_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("CULM_SERVER_URL", tools_server.settings.server_url)
    monkeypatch.setenv("CULM_TOKEN", token)
    with Client(tools_server.settings.server_url, token) as client:
        yield Desk(tools_server, client, capsys)
