"""The app over books on SQLite: what is proved here does not depend on the database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.audit import audit
from tasks.store.books import Books
from tests.server_scene import Scene, scene_over


@pytest.fixture
def scene(sqlite_template: Path, tmp_path: Path) -> Iterator[Scene]:
    """A running app with small limits; its books must add up when the test ends."""
    shutil.copy(sqlite_template, tmp_path / "culm.db")
    with Books(f"sqlite:///{tmp_path}/culm.db") as books:
        with scene_over(books, tmp_path, sandbox_max_mb=1, upload_max_mb=1) as running:
            yield running
        with books.read() as session:
            assert audit(session) == []
