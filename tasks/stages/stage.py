"""What every stage is: who is ready for it, and one transaction of work on one task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel import Session

from tasks.store.books import Books
from tasks.store.locks import claim_names, held_names, hold_tasks, release, renew
from tasks.store.topics import Topic

LEASE_SECONDS = 15.0
"""From claim to the start of the work: the working transaction itself holds the lease's row.
So it can be short, and a dead owner's work is soon taken over."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A task that this owner may work on in this stage, until the lease runs out."""

    task_id: int
    task_name: str
    stage: str

    @property
    def lease(self) -> str:
        """The lease's name."""
        return f"{self.stage}/{self.task_id}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stage did to a task, in words; `again` if there is more to do at once."""

    task_id: int
    message: str
    n_done: int = 0
    again: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """What a stage's work on one task is given: the transaction, the task, the actor's name.

    `prepared` is what the stage's `prepare` gave, read before this transaction began.
    """

    session: Session
    task_id: int
    actor: str
    prepared: Any = None


Candidates = Callable[[Session, int, Sequence[int] | None], list[tuple[int, str]]]
"""(session, limit, task ids or None) → (id, name) of tasks that are ready, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedWork(ABC):
    """Work of one kind on tasks (or workflows): `candidates` finds what is ready.

    Any number of owners on any number of machines may do it: a lease keeps them apart, and
    the transaction that writes the work renews the lease, so that an owner who lost it (it was
    taken for dead) writes nothing.

    `prepare` does what takes long, and only reads: it has a transaction of its own before that.

    `gather_seconds` is the least time between two looks that find work: where news comes one by
    one and is dear one by one, it is taken up together. `rests` is how many times as long as its
    work took it waits before the next look, but half a second at most: for work that grows with
    the size of what it is done on, and that would leave the others no time.
    """

    name: str
    topics: tuple[Topic, ...]
    candidates: Candidates
    lease_seconds: float = LEASE_SECONDS
    gather_seconds: float = 0.0
    rests: float = 0.0
    prepare: Callable[[Session, int], Any] | None = None

    @abstractmethod
    def work(self, books: Books, claim: Claim, owner: str) -> Outcome:
        """Do this work on what was claimed; gives the lease back.

        Raises:
            LeaseLost: the lease is another's by now; nothing was written.
        """

    def claim(
        self, books: Books, owner: str, limit: int, task_ids: Sequence[int] | None = None
    ) -> list[Claim]:
        """Lease up to `limit` tasks that are ready for this stage (of these ids, if given)."""
        with books.read() as session:
            free = self._free(session, limit, task_ids)
        if not free:
            return []
        with books.write() as session:
            taken = claim_names(session, [c.lease for c in free], owner, self.lease_seconds)
        return [claim for claim in free if claim.lease in taken]

    def _free(self, session: Session, limit: int, task_ids: Sequence[int] | None) -> list[Claim]:
        """Up to `limit` tasks that are ready and that nobody holds.

        Tasks that failed keep their leases for a while: however many of them there are, the
        younger ones behind them have their turn.
        """
        look = limit * 4
        while True:
            found = self.candidates(session, look, task_ids)
            claims = [Claim(task_id, name, self.name) for task_id, name in found]
            held = held_names(session, [claim.lease for claim in claims])
            free = [claim for claim in claims if claim.lease not in held]
            if len(free) >= limit or len(found) < look:
                return free[:limit]
            look *= 4

    def give_back(self, books: Books, claims: Sequence[Claim], owner: str) -> None:
        """Release claims that were not worked on."""
        if claims:
            with books.write() as session:
                release(session, [claim.lease for claim in claims], owner)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(LeasedWork):
    """A stage: `act` works on one task, in one transaction.

    Between the claim and the work others may have moved the task on (a command, another owner):
    that is looked at again, with the task held.
    """

    act: Callable[[Act], Outcome]

    def work(self, books: Books, claim: Claim, owner: str) -> Outcome:
        """One transaction of this stage's work on a claimed task; gives the lease back.

        Raises:
            LeaseLost: the lease is another's by now; nothing was written.
        """
        prepared = None
        if self.prepare is not None:
            with books.read() as session:
                prepared = self.prepare(session, claim.task_id)
        with books.write() as session:
            renew(session, [claim.lease], owner, self.lease_seconds)
            hold_tasks(session, [claim.task_id])
            outcome = Outcome(claim.task_id, "the task has moved on")
            if self.candidates(session, 1, [claim.task_id]):
                outcome = self.act(Act(session, claim.task_id, f"{self.name}@{owner}", prepared))
            release(session, [claim.lease], owner)
        return outcome
