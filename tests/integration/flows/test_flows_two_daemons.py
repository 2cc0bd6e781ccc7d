"""Two daemons share the work, and the death of one loses nothing; on both databases."""

from __future__ import annotations

import pytest

from tasks.store.books import Books
from tests.integration.flows.daemons import (
    Daemons,
    jobs_of,
    moves_of,
    owners_that_moved,
    submit_tasks,
)
from tests.integration.flows.prefect_scene import wait_until

pytestmark = pytest.mark.slow


def test_killed_daemon_loses_nothing_and_the_other_takes_over(
    books: Books, daemons: Daemons
) -> None:
    doomed, heir = (daemons.start_on_duty("--without-prefect", lease=2) for _ in range(2))
    ids = submit_tasks(books, 60)
    wait_until(lambda: len(jobs_of(books)) >= 10, 60, "first tasks generated")

    doomed.process.kill()

    wait_until(lambda: jobs_of(books) == dict.fromkeys(ids, 2), 60, "all tasks generated")
    # Each of them did part of the work, and no task was moved twice by it.
    assert len(owners_that_moved(books)) == 2
    assert moves_of(books, "refined") == dict.fromkeys(ids, 1)
    assert heir.stop() == 0
