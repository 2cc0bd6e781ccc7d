"""The policies by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from broker.simulation.at_once import AtOnce
from broker.simulation.baselines import LeastLoaded, RandomBySlots, RandomQueue, RoundRobin
from broker.simulation.desk import Policy
from broker.simulation.job import by_priority
from broker.simulation.just_in_time import JustInTime
from broker.simulation.late import Oracle, Pull
from broker.simulation.panda import Panda
from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name

DEFAULT_POLICY = "culm"

POLICIES: Mapping[str, Callable[[], Policy]] = {
    "random": RandomQueue,
    "random_by_slots": RandomBySlots,
    "round_robin": RoundRobin,
    "least_loaded": lambda: LeastLoaded(fresh=False),
    "least_loaded_fresh": lambda: LeastLoaded(fresh=True),
    "panda": Panda,
    "pull": Pull,
    "oracle": Oracle,
    "culm": JustInTime,
    "culm_at_once": AtOnce,
    "culm_by_priority": lambda: JustInTime(name="culm_by_priority", key=by_priority),
}
"""`culm` binds just in time. `culm_at_once` is the same weight with all jobs bound as they come,
`culm_by_priority` binds just in time in PanDA's order of jobs: they tell what each part does.
"""


def chosen(names: Iterable[str]) -> tuple[str, ...]:
    """The names, if all are known; `all` stands for every policy.

    Raises:
        InvalidRequest: one is not; each is named.
    """
    asked = tuple(dict.fromkeys(names))
    if "all" in asked:
        return tuple(POLICIES)
    faults = [FieldFault("policy", name, unknown_name(name, POLICIES))
              for name in asked if name not in POLICIES]  # fmt: skip
    if faults:
        raise InvalidRequest("no such policy", faults=faults)
    return asked
