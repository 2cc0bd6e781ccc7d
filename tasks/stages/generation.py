"""A task whose jobs are generated now: what they are made of, and what brokerage says of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from broker.values import Ranking
from culm.wire.task_spec import TaskSpec
from tasks.stages.asking import Needs, needs_of, with_needs
from tasks.stages.queue_view import QueueView
from tasks.stages.rank_queues import Brokered, keep_decision, rank_queues
from tasks.stages.scouts import is_scouting
from tasks.stages.stage import Act
from tasks.tables import Dataset, Task, TaskScouting


@dataclass(slots=True)
class Generation:
    """A task whose jobs are generated now. Brokerage is asked once for each kind of needs."""

    act: Act
    task: Task
    spec: TaskSpec
    datasets: list[Dataset]
    scouting: TaskScouting | None
    asked: dict[Needs, Brokered] = field(default_factory=dict)
    refused: Ranking | None = None
    """What brokerage said where no queue takes what there is to do."""
    taken: Counter[str] = field(default_factory=Counter)
    """Places at each queue that are taken since."""
    n_without_place: int = 0

    def brokered(self, needs: Needs | None = None) -> Brokered:
        """The queues for jobs of these needs, the task's own by default."""
        needs = needs or needs_of(self.task)
        if needs not in self.asked:
            seen = self.task if needs == needs_of(self.task) else with_needs(self.task, needs)
            firm = needs.walltime_is_firm
            self.asked[needs] = rank_queues(self.act.session, seen, self.spec, firm=firm)
            keep_decision(self.act.session, self.task.id, self.asked[needs].ranking)
        return self.asked[needs]

    def ranking(self) -> Ranking:
        """The queues to size jobs for: those with places, or all if none has any."""
        ranking, places = self.brokered().ranking, self.places()
        if not ranking.ranked:
            self.refused = ranking
        free = tuple(r for r in ranking.ranked if places is None or places[r.queue] > 0)
        return Ranking(free or ranking.ranked, ranking.rejections)

    def places(self, needs: Needs | None = None) -> dict[str, int] | None:
        """How many more jobs of these needs each queue may get now; None: no end of them."""
        places = self.brokered(needs).places
        # Scouts are few, and everything else waits for them.
        if places is None or is_scouting(self.scouting):
            return None
        return {queue: max(0, n - self.taken[queue]) for queue, n in places.items()}

    @property
    def seen(self) -> QueueView:
        """The queues as they were seen last."""
        return list(self.asked.values())[-1].seen
