"""A stage of the tests' own over real books: rows in a table of its own, moved one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import text
from sqlmodel import Session

from tasks.stages.stage import Act, Outcome, Stage
from tasks.store.books import Books, wake
from tasks.store.topics import Topic

TABLE = "CREATE TABLE toy (id INTEGER PRIMARY KEY, name TEXT, n_done INTEGER DEFAULT 0, wanted INT)"
READY = "SELECT id, name FROM toy WHERE n_done < wanted"


@dataclass
class Toy:
    """Rows that are ready until they were worked on as often as `wanted`.

    Ids in `poisoned` fail, those in `lazy` do nothing; `during` is called inside the work.
    """

    books: Books
    name: str = "refine"
    poisoned: set[int] = field(default_factory=set)
    lazy: set[int] = field(default_factory=set)
    during: Callable[[int], None] = lambda _: None
    gather_seconds: float = 0.0
    rests: float = 0.0
    worked: list[int] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        with self.books.write() as session:
            session.connection().execute(text(TABLE))

    @property
    def stage(self) -> Stage:
        return Stage(name=self.name, topics=(Topic.TASK_REGISTERED,),
                     candidates=self._candidates, act=self._act,
                     gather_seconds=self.gather_seconds, rests=self.rests)  # fmt: skip

    def add(self, *ids: int, times: int = 1) -> None:
        with self.books.write() as session:
            for i in ids:
                session.connection().execute(
                    text("INSERT INTO toy (id, name, wanted) VALUES (:i, :name, :times)"),
                    {"i": i, "name": f"user.alice.toy{i}", "times": times},
                )
            wake(session, Topic.TASK_REGISTERED)

    def done(self) -> dict[int, int]:
        with self.books.read() as session:
            rows = session.connection().execute(text("SELECT id, n_done FROM toy"))
            return {row.id: row.n_done for row in rows}

    def _candidates(
        self, session: Session, limit: int, task_ids: Sequence[int] | None
    ) -> list[tuple[int, str]]:
        rows = session.connection().execute(text(f"{READY} ORDER BY id"))
        found = [(r.id, r.name) for r in rows if task_ids is None or r.id in task_ids]
        return found[:limit]

    def _act(self, act: Act) -> Outcome:
        self.during(act.task_id)
        if act.task_id in self.poisoned:
            raise ValueError(f"poisoned row {act.task_id}")
        if act.task_id in self.lazy:
            self.worked.append(act.task_id)
            return Outcome(act.task_id, "nothing done")
        act.session.connection().execute(
            text("UPDATE toy SET n_done = n_done + 1 WHERE id = :i"), {"i": act.task_id}
        )
        with self._lock:
            self.worked.append(act.task_id)
        return Outcome(act.task_id, f"row {act.task_id} moved", n_done=1)
