"""How long input takes from where it is to where it is wanted."""

from __future__ import annotations

from broker.simulation.workload import SimTask
from broker.simulation.world import SimQueue, World


class Transfers:
    """The transfers of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._speeds: dict[tuple[str, str], float | None] = {}

    def is_remote(self, task: SimTask, queue: SimQueue) -> bool:
        """Whether the input of a task's jobs is at other sites than the queue's."""
        return self._speed(task, queue) is not None

    def seconds(self, task: SimTask, queue: SimQueue) -> float:
        """How long the input of one job is on its way, from the best site that holds it."""
        speed = self._speed(task, queue)
        return 0.0 if speed is None else task.input_mb / speed

    def _speed(self, task: SimTask, queue: SimQueue) -> float | None:
        key = (task.name, queue.name)
        if key not in self._speeds:
            sources = frozenset(task.sites)
            self._speeds[key] = self._world.mb_per_second(sources, queue.place)
        return self._speeds[key]
