"""The pictures of workflows in Prefect: which ones this daemon keeps. No work needs them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import or_, select

from culm.core.errors import CulmError, LeaseLost
from flows.cleaning import end_runs_named
from flows.workplace import Workplace
from tasks.lifecycles import WORKFLOW as MACHINE
from tasks.store.locks import claim_names, held_names, renew
from tasks.store.tables import WORKFLOW
from tasks.store.topics import Topic
from tasks.tables.columns import db_now

log = logging.getLogger(__name__)

MOST = 10
"""So many pictures are kept at once by one daemon: each is a flow run with runs below it."""
LEASE_SECONDS = 60.0
KEPT_SECONDS = 86_400.0
"""How long it is remembered that the picture of an ended workflow was drawn."""
LATELY_SECONDS = 600.0
"""A workflow that ended no longer ago still gets a picture: short ones end before it begins."""
LOOK_SECONDS = 20.0
PAUSE_SECONDS = 1.0

Draw = Callable[[Workplace, int, str], Awaitable[None]]


@dataclass(slots=True)
class Pictures:
    """Keeps pictures while `recording`, until cancelled. A lease says who keeps which."""

    place: Workplace
    draw: Draw
    recording: Callable[[], bool]
    _kept: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _renewed_at: float = 0.0

    async def run(self) -> None:
        """Begin pictures of workflows that have none, as there is news of them."""
        try:
            while True:
                mark = self.place.waker.mark()
                try:
                    await self._look()
                except CulmError as error:
                    log.warning("pictures of workflows: %s", error)
                await asyncio.sleep(PAUSE_SECONDS)
                await self.place.waker.wait_async((Topic.WORKFLOW_CHANGED,), LOOK_SECONDS, mark)
        finally:
            for drawing in self._kept.values():
                drawing.cancel()

    async def _look(self) -> None:
        self._kept = {lease: one for lease, one in self._kept.items() if not one.done()}
        if time.monotonic() - self._renewed_at > LOOK_SECONDS / 2:
            self._renewed_at = time.monotonic()
            for lease in list(self._kept):
                if not await asyncio.to_thread(self._renew, lease, LEASE_SECONDS):
                    self._kept.pop(lease).cancel()
        if self.recording() and len(self._kept) < MOST:
            for row in await asyncio.to_thread(self._take):
                self._kept[_lease(row)] = asyncio.create_task(self._keep(row))

    async def _keep(self, row: Any) -> None:
        steps = (
            asyncio.to_thread(end_runs_named, f"workflow {row.id} {row.name}"),
            self.draw(self.place, row.id, row.name),
        )
        for step in steps:
            try:
                await step
            except Exception as error:
                log.debug("the picture of workflow %d broke off", row.id, exc_info=error)
        await asyncio.to_thread(self._renew, _lease(row), KEPT_SECONDS)

    def _take(self) -> Sequence[Any]:
        """Workflows without a picture, leased."""
        c = WORKFLOW.c
        alive = c.status.not_in([str(status) for status in MACHINE.final])
        query = (
            select(c.id, c.name, c.round).where(or_(alive, c.ended_at > db_now(-LATELY_SECONDS)))
            .order_by(c.id.desc()).limit(5 * MOST)
        )  # fmt: skip
        with self.place.books.read() as session:
            rows = session.connection().execute(query).all()
            held = held_names(session, map(_lease, rows))
        free = [row for row in rows if _lease(row) not in held][: MOST - len(self._kept)]
        if not free:
            return ()
        with self.place.books.write() as session:
            taken = claim_names(session, map(_lease, free), self.place.owner, LEASE_SECONDS)
        return [row for row in free if _lease(row) in taken]

    def _renew(self, lease: str, seconds: float) -> bool:
        try:
            with self.place.books.write() as session:
                renew(session, [lease], self.place.owner, seconds)
        except LeaseLost:
            return False
        return True


def _lease(row: Any) -> str:
    return f"picture/{row.id}/{row.round}"
