"""PanDA's production brokerage as documented (12.1), on a view that is as old as it is."""

from __future__ import annotations

from broker.presets import PRODUCTION
from broker.ranking import Broker
from broker.simulation.demand import demand_of
from broker.simulation.desk import Desk, Plain
from broker.simulation.job import Job
from broker.values import Ranking
from broker.view import View

PENDING_SECONDS = 3600.0
"""A task that no queue takes is looked at again after an hour (12.1, step 5)."""


class Panda(Plain):
    """The filters, the weight, and jobs at random over the ten best in proportion to it. It does
    not count what it sent since the view was taken.
    """

    name = "panda"

    def bind(self, desk: Desk) -> None:
        """Bind every job, or leave those of a task pending."""
        broker = Broker(desk.view, View(), PRODUCTION)
        places = {queue.name: index for index, queue in enumerate(desk.view)}
        rankings: dict[str, Ranking] = {}
        while job := desk.next():
            ranking = rankings.get(job.task.name)
            if ranking is None:
                ranking = rankings[job.task.name] = broker.rank(demand_of(job.task))
            self._place(desk, job, ranking, places)

    def _place(self, desk: Desk, job: Job, ranking: Ranking, places: dict[str, int]) -> None:
        if not ranking.ranked:
            desk.defer(job, desk.now + PENDING_SECONDS)
            return
        names = [ranked.queue for ranked in ranking.ranked]
        weights = [ranked.weight for ranked in ranking.ranked]
        desk.bind(job, places[desk.random.choices(names, weights)[0]])
