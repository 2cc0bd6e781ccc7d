"""Fixtures of the tests of tasks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.tasks.racers import Racers


@pytest.fixture(scope="session")
def racers() -> Iterator[Racers]:
    """Two processes beside this one."""
    pair = Racers()
    yield pair
    pair.close()
