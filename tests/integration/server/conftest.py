"""The app over books on each database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.store.books import Books
from tests.server_scene import Scene, scene_over


@pytest.fixture
def scene(books: Books, tmp_path: Path) -> Iterator[Scene]:
    """A running app."""
    with scene_over(books, tmp_path) as running:
        yield running
