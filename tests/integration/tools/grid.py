"""A small grid for tests of tools: stages and a pilot that reports jobs as done, in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tasks.store.books import Books
from tests.builders import a_pilot, a_report, get_work, report, run_stages


@contextmanager
def grid_at_work(books: Books, also: Callable[[], object] = lambda: None) -> Iterator[None]:
    """While the block lasts, tasks go their way; a job whose command is `false` fails.

    `also` is done again and again beside.
    """
    over = threading.Event()
    worker = threading.Thread(target=_work, args=(books, over, also))
    worker.start()
    try:
        yield
    finally:
        over.set()
        worker.join()


def _work(books: Books, over: threading.Event, also: Callable[[], object]) -> None:
    pilot = a_pilot(books)
    while not over.wait(0.05):
        run_stages(books)
        for job in get_work(books, pilot).jobs:
            state = "failed" if job.command == "false" else "finished"
            report(books, pilot, a_report(job, state, exit_code=int(state == "failed")))
        also()
