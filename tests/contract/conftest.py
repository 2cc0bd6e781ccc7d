"""Fixtures: a server that speaks the contract, and the command `culm` against it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.calls import Done, Run, in_this_process
from tests.contract.culm_server import World, culm_server, token_of


@pytest.fixture
def service() -> Iterator[tuple[str, World]]:
    with culm_server() as found:
        yield found


@pytest.fixture
def world(service: tuple[str, World]) -> World:
    return service[1]


@pytest.fixture
def environment(
    service: tuple[str, World], alone: dict[str, str], tmp_path: Path
) -> dict[str, str]:
    """What a process sees that talks to the server as alice."""
    return alone | {
        "CULM_SERVER_URL": service[0], "CULM_TOKEN": token_of("alice"),
        "CULM_DATA_DIR": str(tmp_path / "data"),
    }  # fmt: skip


@pytest.fixture
def alone(tmp_path: Path) -> dict[str, str]:
    """What a process sees that knows of no server."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CULM_")}
    return kept | {"HOME": str(tmp_path)}


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The directory in which commands are typed."""
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def culm(environment: dict[str, str], work: Path) -> Run:
    """Run `culm` with these words in this process: a start of Python costs a second."""
    return in_this_process(environment, work)


@pytest.fixture
def culm_process(environment: dict[str, str], work: Path) -> Run:
    """Run `culm` with these words as a process of its own."""

    def call(*words: str, stdin: str = "", **changes: str) -> Done:
        return subprocess.run(
            [sys.executable, "-P", "-m", "culm", *words], input=stdin, capture_output=True,
            text=True, env=environment | changes, cwd=work, check=False, timeout=60,
        )  # fmt: skip

    return call
