"""One Prefect server a session, and daemons as processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.store.books import Books
from tasks.store.wakeups import Waker
from tests.integration.flows.daemons import Daemons
from tests.integration.flows.prefect_scene import PrefectServer


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    server = PrefectServer(tmp_path_factory.mktemp("prefect"))
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
def waker(books: Books) -> Iterator[Waker]:
    waker = Waker(books)
    yield waker
    waker.close()


@pytest.fixture
def daemons(books: Books, tmp_path: Path) -> Iterator[Daemons]:
    """Daemons over the test's books; what still runs is killed at the end."""
    daemons = Daemons(books, tmp_path)
    yield daemons
    daemons.kill_all()
