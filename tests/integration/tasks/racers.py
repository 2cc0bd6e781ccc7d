"""Two real processes that do the same thing at the same moment, kept for the whole session."""

from __future__ import annotations

import random
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from culm.core.errors import CulmError
from culm.core.ids import new_key
from culm.wire.codec import decode
from culm.wire.job_spec import WorkRequest
from culm.wire.task_spec import TaskSpec
from tasks.catalog.own import NewEntry, add_dataset, add_files
from tasks.lifecycles import TaskEvent
from tasks.stages.dispatch import dispatch
from tasks.stages.submit import submit
from tasks.store import schema
from tasks.store.books import Books, wake
from tasks.store.moves import Why, move_tasks
from tasks.store.topics import Topic


def _submit(books: Books, document: dict[str, Any], key: str) -> tuple[int, bool]:
    accepted = submit(books, decode(TaskSpec, document), "alice", key or new_key())
    return accepted.task_id, accepted.created


def _move(books: Books, task_id: int, event: str) -> list[int]:
    with books.write() as session:
        return move_tasks(session, [task_id], TaskEvent(event), Why("racer"))


def _dispatch(books: Books, pilots: list[int], n_jobs: int, seed: int) -> list[int]:
    """Get work with random pauses until there is none; gives the ids of the jobs."""
    chance, got = random.Random(seed), []
    pilot = pilots[seed % len(pilots)]
    while True:
        with books.write() as session:
            request = WorkRequest(request_key=new_key(), n_jobs=n_jobs, core_count=64,
                                  memory_mb=10**6, disk_mb=10**6)  # fmt: skip
            answer = dispatch(session, [(pilot, request)])[0]
            time.sleep(chance.random() * 0.01)
        if not answer.jobs:
            return got
        got += [job.job_id for job in answer.jobs]
        time.sleep(chance.random() * 0.005)


def _catalogue(books: Books, name: str, lfns: list[str]) -> int:
    with books.write() as session:
        dataset = add_dataset(session, name, "alice")
        files = [NewEntry(lfn, 1, "00000001", f"file:///nowhere/{lfn}") for lfn in lfns]
        return add_files(session, dataset.id, files)


def _upgrade(books: Books) -> str:
    return schema.upgrade(books)


def _wake(books: Books, topic: str, after_seconds: float) -> float:
    time.sleep(after_seconds)
    with books.write() as session:
        wake(session, Topic(topic))
    return time.time()


_VERBS = {"submit": _submit, "move": _move, "dispatch": _dispatch, "upgrade": _upgrade,
          "catalogue": _catalogue,
          "wake": _wake}  # fmt: skip


def _run(url: str, verb: str, start_at: float, arguments: dict[str, Any]) -> Any:
    with Books(url) as books:
        time.sleep(max(0.0, start_at - time.time()))
        try:
            return _VERBS[verb](books, **arguments)
        except CulmError as error:
            return f"{type(error).__name__}: {error}"


class Racers:
    """Two processes; what they raise that is not one of our errors comes back here."""

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(2, mp_context=get_context("spawn"))

    def race(self, url: str, verb: str, each: tuple[dict[str, Any], ...] = ({}, {}),
             **arguments: Any) -> list[Any]:  # fmt: skip
        """Both do it at once (`each`: what differs); gives what each gave."""
        start_at = time.time() + 0.1
        started = [self._pool.submit(_run, url, verb, start_at, arguments | own) for own in each]
        return [one.result(timeout=60) for one in started]

    def do(self, url: str, verb: str, **arguments: Any) -> Any:
        """One of them does it by and by; gives its future."""
        return self._pool.submit(_run, url, verb, 0.0, arguments)

    def close(self) -> None:
        """End both."""
        self._pool.shutdown(cancel_futures=True)
