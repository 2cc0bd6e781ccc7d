"""What a shift needs of an agent: what is ready, a wait for news, and a place to put failures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One piece of work, leased by this process.

    `title` is what people look for (`refine 10000001 user.alice.hello`); `work` runs in a
    thread and gives a line for the log, empty if nothing was done. `routine`: what comes every
    few seconds and mostly finds nothing is shown only when it did something.
    """

    title: str
    work: Callable[[], str]
    routine: bool = False


P = TypeVar("P", bound=Piece)


class Agent(Protocol[P]):
    """Finds work of one kind. Only `Piece.work` changes anything outside of leases."""

    @property
    def name(self) -> str:
        """The stage, or `watchdogs`."""
        ...

    async def take(self) -> Sequence[P]:
        """What is ready now, leased; empty if nothing is."""
        ...

    async def wait(self, seconds: float) -> None:
        """Until there may be work again, or the time is over. Cancelling it is harmless."""
        ...

    async def settle(self, piece: P, error: Exception | None) -> None:
        """Note how a piece ended. What failed is left alone for a growing time."""
        ...

    async def give_back(self, pieces: Sequence[P]) -> None:
        """Release the leases of pieces that were taken and not begun."""
        ...
