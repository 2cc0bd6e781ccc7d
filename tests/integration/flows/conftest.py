"""One Prefect server a session, and books in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect_scene import PrefectServer

from tasks.store.books import Books
from tasks.store.schema import upgrade
from tasks.store.wakeups import Waker


@pytest.fixture(scope="session")
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="session")
def prefect_server(prefect_home: Path) -> Iterator[PrefectServer]:
    server = PrefectServer(prefect_home)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def prefect(prefect_server: PrefectServer) -> PrefectServer:
    """The session's server, alive."""
    if not prefect_server.healthy():
        prefect_server.start()
    return prefect_server


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def books(data_dir: Path) -> Iterator[Books]:
    data_dir.mkdir()
    with Books(f"sqlite:///{data_dir}/culm.db") as books:
        upgrade(books)
        yield books


@pytest.fixture
def waker(books: Books) -> Iterator[Waker]:
    waker = Waker(books)
    yield waker
    waker.close()
