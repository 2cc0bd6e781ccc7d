"""Presets: which filters in which order, which weight, which filters after it.

Filters that installed distributions offer (entry points of group `culm.broker_filters`) stand
behind ours in every preset; a weight of group `culm.broker_weights` is taken by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

from broker.filters import capacity, data, network, placing, software, state
from broker.rules import Rule
from broker.values import Demand, Queue
from broker.view import View
from broker.weights.panda import analysis_weight, production_weight
from broker.weights.wait import expected_wait_weight
from culm.core.errors import Misconfigured
from culm.core.nearest import unknown_name
from culm.core.plugins import load_plugin, plugins

FILTER_GROUP = "culm.broker_filters"
WEIGHT_GROUP = "culm.broker_weights"

Weight = Callable[[Demand, Queue, View], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """A way to broker. Jobs are spread in proportion to the weights, or, where the preset `fills`,
    one by one where they wait least. `best` is how many queues are kept (None: all).
    """

    name: str
    filters: tuple[Rule, ...]
    weight: Weight
    after: tuple[Rule, ...] = ()
    fills: bool = False
    best: int | None = None
    prefers_pilots: bool = False
    """Queues where no pilot is at work take part only if there is no other."""


PRODUCTION = Preset(
    name="production",
    filters=(
        placing.pinned, placing.excluded, placing.build_failed, placing.queue_kind,  # 1
        placing.test_queue, placing.preassigned,
        placing.online,  # 2
        network.link_blocked, network.link_backlog, network.nucleus_backlog,  # 3
        placing.nucleus_first,  # 4
        state.inactive,  # 5
        placing.zero_share,  # 6
        data.missing_input,  # 7
        data.disk_io,  # 8
        capacity.core_count,  # 9
        software.hardware, software.container, software.release,  # 10
        capacity.compensated_memory,  # 11
        data.direct_access,  # 12
        capacity.disk, capacity.scratch_disk,  # 13
        data.free_storage, data.blocked_storage,  # 14
        capacity.long_walltime,  # 15
        capacity.walltime,  # 16
        network.connectivity,  # 17
        software.event_service, software.dynamic_events,  # 18
        state.transferring,  # 19
        placing.nucleus_only,  # 20
        state.no_pilot,  # 21
        network.slow_network,  # 22
    ),
    weight=production_weight,
    after=(state.many_activated, state.many_queued),
    best=10,
)  # fmt: skip

ANALYSIS = Preset(
    name="analysis",
    filters=(
        placing.pinned, placing.excluded, placing.build_failed, placing.queue_kind,
        placing.test_queue,
        placing.preassigned,
        placing.online,
        placing.zero_share,
        data.local_input,
        data.disk_io,
        capacity.core_count,
        software.hardware, software.container, software.release,
        capacity.compensated_memory,
        data.direct_access,
        capacity.disk, capacity.scratch_disk,
        data.free_storage, data.blocked_storage,
        capacity.walltime,
        network.connectivity,
        state.transferring,
        state.no_pilot,
    ),
    weight=analysis_weight,
    after=(state.many_queued,),
    best=10,
)  # fmt: skip

GENERIC = Preset(
    name="generic",
    filters=(
        placing.pinned, placing.excluded, placing.build_failed, placing.queue_kind,
        placing.test_queue,
        placing.preassigned,
        placing.online,
        network.link_blocked,
        placing.zero_share,
        data.disk_io,
        capacity.core_count,
        software.hardware, software.container, software.release,
        capacity.memory,
        data.direct_access,
        capacity.disk,
        data.blocked_storage,
        capacity.walltime,
        network.connectivity,
        software.event_service, software.dynamic_events,
        state.transferring,
        placing.nucleus_only,
    ),
    weight=expected_wait_weight,
    fills=True,
    prefers_pilots=True,
)  # fmt: skip

PRESETS: Mapping[str, Preset] = {p.name: p for p in (PRODUCTION, ANALYSIS, GENERIC)}


def preset(name: str, weight: str = "") -> Preset:
    """A preset by name, with the filters that are installed, and perhaps a weight of a plugin.

    Raises:
        Misconfigured: no such preset or weight, or a plugin that is not what its group holds.
    """
    if name not in PRESETS:
        raise Misconfigured(f"brokerage preset {name}: {unknown_name(name, PRESETS)}")
    chosen = PRESETS[name]
    further = installed_filters()
    if further:
        chosen = replace(chosen, filters=chosen.filters + further)
    if weight:
        # To fill is to follow our own idea of the wait, not the plugin's weight.
        chosen = replace(chosen, weight=installed_weight(weight), fills=False)
    return chosen


@cache
def installed_filters() -> tuple[Rule, ...]:
    """The filters of other distributions, by name.

    Raises:
        Misconfigured: one is no `Rule`, or bears the name of one of ours.
    """
    ours = {rule.name for p in PRESETS.values() for rule in (*p.filters, *p.after)}
    return tuple(_filter(name, ours) for name in sorted(plugins(FILTER_GROUP)))


def _filter(name: str, ours: set[str]) -> Rule:
    found = load_plugin(FILTER_GROUP, name)
    if not isinstance(found, Rule):
        raise Misconfigured(
            f"plugin {name} of group {FILTER_GROUP} is a {type(found).__name__}, "
            "a broker.rules.Rule is needed"
        )
    if found.name in ours:
        raise Misconfigured(
            f"plugin {name} of group {FILTER_GROUP} is named {found.name}, as a filter of ours is",
            hint="give the rule another name",
        )
    return found


def installed_weight(name: str) -> Weight:
    """A weight of another distribution.

    Raises:
        Misconfigured: the group has no such name, or what it holds cannot be called.
    """
    found: Weight = load_plugin(WEIGHT_GROUP, name)
    if not callable(found):
        raise Misconfigured(
            f"plugin {name} of group {WEIGHT_GROUP} is a {type(found).__name__}, "
            "a function of demand, queue and view is needed"
        )
    return found
