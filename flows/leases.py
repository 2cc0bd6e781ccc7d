"""Leases of claims that failed: kept, so that nobody takes the task up again too soon."""

from __future__ import annotations

from tasks.stages.stage import Claim
from tasks.store import locks
from tasks.store.books import Books


def postpone(books: Books, claim: Claim, owner: str, seconds: float) -> None:
    """Keep a task from this stage, on all machines, for so long: the lease simply stays.

    Raises:
        LeaseLost: another owner has it meanwhile.
    """
    with books.write() as session:
        locks.renew(session, [claim.lease], owner, seconds)
