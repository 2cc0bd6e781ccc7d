"""Any interleaving of what users, agents, pilots and watchdogs do keeps the books in order."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from culm.core.errors import LeaseLost, WrongStatus
from culm.wire.job_spec import JobSpec
from culm.wire.views import CommandRequest
from tasks.lifecycles import TASK
from tasks.queue_changes import set_queue_status
from tasks.stages import STAGES, Claim
from tasks.stages.command import EVENTS, command
from tasks.stages.dispatch import sign_off
from tasks.stages.job_command import kill_job
from tasks.statuses import QueueStatus
from tasks.store.books import Books
from tests.builders import a_dataset, a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import adds_up, expire_leases, rows, run_to_the_end, sql, tell

STEPS = 60
ENDED = tuple(str(s) for s in TASK.final)


class World:
    """Tasks of alice's, two owners of every stage, and pilots that come and go."""

    def __init__(self, books: Books, seed: int) -> None:
        self.books, self.random = books, random.Random(seed)
        self.pilots = [a_pilot(books), a_pilot(books)]
        self.claims: list[tuple[Claim, str]] = []
        self.jobs: list[tuple[JobSpec, int]] = []
        self.tasks: list[int] = []
        self.said: list[str] = []

    def step(self) -> None:
        """One thing that somebody does."""
        weights: list[tuple[Callable[[], None], int]] = [
            (self.submit, 2), (self.claim, 8), (self.work, 10), (self.dispatch, 6),
            (self.report, 14), (self.command, 3), (self.expire, 1), (self.kill_one, 1),
            (self.change_queue, 1), (self.change_pilot, 1), (self.steal, 1),
        ]  # fmt: skip
        verb = self.random.choices([v for v, _ in weights], [w for _, w in weights])[0]
        self.said.append(verb.__name__)
        with suppress(WrongStatus, LeaseLost):
            verb()

    def submit(self) -> None:
        kinds: list[dict[str, Any]] = [
            {"n_jobs": 3, "outputs": ["out"], "max_attempts": 2},
            {"inputs": [{"datasets": [self.data(5)]}], "n_files_per_job": 2, "command": "%IN"},
            {"inputs": [{"datasets": [self.data(2, n_events=25)], "n_files": 2}],
             "n_events_per_job": 10, "max_attempts": 1},
            {"inputs": [{"datasets": [self.data(3)]},
                        {"stream": "IN2", "datasets": [self.data(2)]}], "n_jobs": 2},
        ]  # fmt: skip
        for parent in self.random.sample(self.tasks, min(1, len(self.tasks))):
            name, state = rows(self.books, "SELECT name, status FROM task WHERE id = :i",
                               i=parent)[0]  # fmt: skip
            if state not in ENDED:
                kinds.append({"parent_task_id": parent, "n_files_per_job": 2,
                              "inputs": [{"datasets": [f"{name}.log"]}]})  # fmt: skip
        self.tasks.append(a_task(self.books, **self.random.choice(kinds)))

    def data(self, n_files: int, **changes: Any) -> str:
        return a_dataset(self.books, n_files, **changes)

    def claim(self) -> None:
        stage, owner = self.random.choice(list(STAGES.values())), self.random.choice("AB")
        self.claims += [(c, owner) for c in stage.claim(self.books, owner, 2)]

    def work(self) -> None:
        for _ in range(min(3, len(self.claims))):
            claim, owner = self.claims.pop(self.random.randrange(len(self.claims)))
            outcome = STAGES[claim.stage].work(self.books, claim, owner)
            self.said.append(f"  {claim.stage} {claim.task_id} by {owner}: {outcome.message}")

    def steal(self) -> None:
        sql(self.books, "UPDATE lock SET expires_at = '2020-01-01 00:00:00.000000'")

    def dispatch(self) -> None:
        pilot = self.random.choice(self.pilots)
        work = get_work(self.books, pilot, n_jobs=self.random.randint(1, 3),
                        request_key=f"k{self.random.randint(1, 30)}")  # fmt: skip
        self.jobs += [(job, pilot) for job in work.jobs]

    def report(self) -> None:
        for job, pilot in self.random.sample(self.jobs, min(2, len(self.jobs))):
            state = self.random.choice(["starting", "running", "running", "finished", "finished",
                                        "finished", "failed"])  # fmt: skip
            code = self.random.choice([1305, 1099, 1213, 1201]) if state == "failed" else 0
            report(self.books, pilot, a_report(job, state, self.random.randint(1, 9),
                                               pilot_error_code=code))  # fmt: skip

    def command(self) -> None:
        if self.tasks:
            name = self.random.choice([*EVENTS, "resume"])
            soft = name == "finish" and self.random.random() < 0.5
            task_id = self.random.choice(self.tasks)
            command(self.books, task_id, CommandRequest(command=name, soft=soft), "alice")

    def expire(self) -> None:
        expire_leases(self.books)

    def kill_one(self) -> None:
        found = rows(self.books, "SELECT id FROM job ORDER BY id DESC LIMIT 20")
        if found:
            kill_job(self.books, self.random.choice(found)[0], "alice")

    def change_queue(self) -> None:
        state = self.random.choice([QueueStatus.ONLINE, QueueStatus.OFFLINE, QueueStatus.PAUSED])
        with self.books.write() as session:
            set_queue_status(session, "LOCAL", state)

    def change_pilot(self) -> None:
        with self.books.write() as session:
            sign_off(session, self.random.choice(self.pilots))
        self.pilots.append(a_pilot(self.books))

    def end(self) -> None:
        """The last fault is over: everything is given what it waits for."""
        with self.books.write() as session:
            set_queue_status(session, "LOCAL", QueueStatus.ONLINE)
        self.steal()
        run_stages(self.books, "command")
        for task_id in self.tasks:
            with suppress(WrongStatus):
                tell(self.books, task_id, "resume")
        expire_leases(self.books)
        run_to_the_end(self.books)


@pytest.mark.parametrize("seed", range(4))
def test_any_order_keeps_the_books_and_comes_to_an_end(books: Books, seed: int) -> None:
    world = World(books, seed)
    try:
        for _ in range(STEPS):
            world.step()
            adds_up(books)
        world.end()
        adds_up(books)
        left = rows(books, "SELECT id, status, reason, next_look_at, feed_at FROM task")
        assert [row for row in left if row[1] not in ENDED] == []
    except BaseException:
        print("\n".join(world.said))
        raise
