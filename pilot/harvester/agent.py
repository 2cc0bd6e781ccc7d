"""The harvester as a whole: looks what is wanted, starts workers, ends in good order."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from culm.core.errors import Unreachable
from culm.wire.views import WorkersTaken, WorkersWanted
from pilot.api import ServerApi
from pilot.backoff import Backoff
from pilot.harvester.plan import Kind, Size, size_of, workers_to_start
from pilot.harvester.workers import LocalWorkers, Order, Terms
from pilot.isolation import Mode
from pilot.lease import elapsed
from pilot.signals import Bell

log = logging.getLogger(__name__)

YOUNG_SECONDS = 30.0
"""A worker that was started since may not have signed on."""
KEPT = "kept"
"""In place of a resource type: a worker that is there whatever is wanted."""
KEPT_SIZE = Size(core_count=1, memory_mb=2000)


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvesterSettings:
    """What a harvester is told when it starts. Without queues: all that its token may serve.

    `keep` small workers are at each of the queues always, so that work begins at once.
    """

    server: str
    work_dir: Path
    node: Size
    queues: tuple[str, ...] = ()
    keep: int = 0
    period_seconds: float = 10.0
    idle_exit_seconds: float = 60.0
    images_dir: str = ""
    isolation: Mode = Mode.AUTO
    hidden: tuple[Path, ...] = ()


def run(settings: HarvesterSettings, token: str) -> int:
    """Be a harvester until a signal comes; the exit code: 128 + its number.

    Raises:
        CulmError: the server refuses it.
    """
    terms = Terms(
        server=settings.server, token=token, work_dir=settings.work_dir,
        idle_exit_seconds=settings.idle_exit_seconds, images_dir=settings.images_dir,
        isolation=settings.isolation, hidden=settings.hidden,
    )  # fmt: skip
    with (
        closing(ServerApi(settings.server, token)) as server,
        Bell() as bell,
        LocalWorkers(terms) as workers,
    ):
        return Harvester(settings, server, workers, bell).run()


@dataclass(slots=True)
class Harvester:
    """One run of a harvester; all happens in one thread."""

    settings: HarvesterSettings
    server: ServerApi
    workers: LocalWorkers
    bell: Bell
    _too_big: set[Kind] = field(default_factory=set)

    def run(self) -> int:
        """Look and start until a signal comes; the exit code."""
        backoff = Backoff(most=60.0)
        log.info("harvester of %s at %s", self.settings.queues or "all queues", self.server.server)
        while not self.bell.signal:
            self.workers.reap()
            wait = self.settings.period_seconds
            try:
                self.look()
                backoff.succeeded()
            except Unreachable as error:
                wait = backoff.failed()
                log.warning("server not reached, asked again in %.1f s: %s", wait, error)
            self.bell.wait(wait)
        return 128 + self.bell.signal

    def look(self) -> None:
        """Start what is wanted now, as far as this node has room."""
        self._keep()
        wanted = [w for w in self.server.workers_wanted() if self._is_mine(w)]
        chosen = workers_to_start(wanted, self._young(wanted), self._free())
        for each in wanted:
            kind = each.queue, each.resource_type
            if not chosen[kind]:
                continue
            wish = WorkersTaken(queue=kind[0], resource_type=kind[1], n_workers=chosen[kind])
            order = Order(kind=kind, size=size_of(each), wanted_at=each.at)
            for _ in range(self.server.take_workers(wish).n_workers):
                self._start(order)

    def _is_mine(self, wanted: WorkersWanted) -> bool:
        """Whether it is for a queue of ours, and could ever fit into this node."""
        if self.settings.queues and wanted.queue not in self.settings.queues:
            return False
        kind = wanted.queue, wanted.resource_type
        if self.settings.node.holds(size_of(wanted)):
            return True
        if kind not in self._too_big:
            self._too_big.add(kind)
            log.warning("%s wants %s of %d cores and %d MB: this node is too small", wanted.queue,
                        wanted.resource_type, wanted.core_count, wanted.memory_mb)  # fmt: skip
        return False

    def _keep(self) -> None:
        there = Counter(worker.order.kind for worker in self.workers.living)
        for queue in self.settings.queues:
            kind = queue, KEPT
            for _ in range(self.settings.keep - there[kind]):
                if self._free().holds(KEPT_SIZE):
                    self._start(Order(kind=kind, size=KEPT_SIZE, stays=True))

    def _start(self, order: Order) -> None:
        self.workers.start(order)
        log.info("worker started at %s: %s, %d cores, %d MB", *order.kind, order.size.core_count,
                 order.size.memory_mb)  # fmt: skip

    def _young(self, wanted: Sequence[WorkersWanted]) -> Counter[Kind]:
        """Workers that may not have signed on when the targets of now were worked out."""
        targets = {(w.queue, w.resource_type): w.at for w in wanted}
        since = elapsed() - YOUNG_SECONDS
        return Counter(
            worker.order.kind
            for worker in self.workers.living
            if worker.started > since
            and worker.order.wanted_at != targets.get(worker.order.kind, "")
        )

    def _free(self) -> Size:
        return self.settings.node.without(worker.order.size for worker in self.workers.living)
