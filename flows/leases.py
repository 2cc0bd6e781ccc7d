"""Leases that are kept, so that nobody takes a task up again too soon."""

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


def rest(books: Books, claim: Claim, owner: str, seconds: float) -> None:
    """Keep a task that is not leased any more from this stage, on all machines, for so long."""
    with books.write() as session:
        locks.claim_names(session, [claim.lease], owner, seconds)
