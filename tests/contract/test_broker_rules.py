"""What every filter and weight must keep, ours and those of plugins."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

import pytest
from hypothesis import given

from broker import presets
from broker.filters import capacity
from broker.presets import FILTER_GROUP, GENERIC, PRESETS, WEIGHT_GROUP, Weight, preset
from broker.ranking import rank
from broker.rules import Refusal, Rule
from broker.values import Demand, Queue
from broker.view import View
from culm.core.errors import Misconfigured
from tests.unit.broker.scene import a_queue
from tests.unit.broker.worlds import all_demands, all_queues, views

OURS = {r.name: r for p in PRESETS.values() for r in (*p.filters, *p.after)}
NOW = View()
PLUGIN = '''
from broker.rules import Refusal, rule

@rule(0, passes=True)
def odd_name(demand, queue, view):
    """Only queues with a long name."""
    return None if len(queue.name) > 3 else Refusal("its name is too short", len(queue.name), 4)

def by_name(demand, queue, view):
    return float(len(queue.name))

number = 5
memory = rule(0)(lambda demand, queue, view: None)
object.__setattr__(memory, "name", "memory")
'''


def check_filter(rule: Rule, demand: Demand, some: list[Queue], view: View = NOW) -> None:
    """The contract: pure, named, and with words and finite numbers where it refuses."""
    assert rule.name.isidentifier()
    for queue in some:
        assert rule.applies(queue) in (True, False)
        assert rule.concerns(demand, view.thresholds) in (True, False)
        if not (rule.applies(queue) and rule.concerns(demand, view.thresholds)):
            continue
        once, again = rule.refuse(demand, queue, view), rule.refuse(demand, queue, view)
        assert once == again
        if once is not None:
            assert isinstance(once, Refusal)
            assert once.reason
            assert "\n" not in once.reason
            assert all(n is None or isfinite(n) for n in (once.offered, once.needed))


def check_weight(weight: Weight, demand: Demand, some: list[Queue], view: View = NOW) -> None:
    """The contract: pure, and a finite number of zero or more."""
    for queue in some:
        found = weight(demand, queue, view)
        assert found == weight(demand, queue, view)
        assert isfinite(found)
        assert found >= 0


@given(demand=all_demands, some=all_queues, view=views())
def test_our_filters_keep_the_contract(demand: Demand, some: list[Queue], view: View) -> None:
    for rule in OURS.values():
        check_filter(rule, demand, some, view)


@given(demand=all_demands, some=all_queues, view=views())
def test_our_weights_keep_the_contract(demand: Demand, some: list[Queue], view: View) -> None:
    for one in PRESETS.values():
        check_weight(one.weight, demand, some, view)


@pytest.mark.parametrize("name", PRESETS)
def test_filters_stand_in_the_order_of_the_list(name: str) -> None:
    numbers = [rule.number for rule in PRESETS[name].filters]
    assert numbers == sorted(numbers)
    assert [rule.number for rule in PRESETS[name].after] in ([], [24], [23, 24])


def test_production_has_every_number_of_the_list() -> None:
    everything = (*PRESETS["production"].filters, *PRESETS["production"].after)
    assert {rule.number for rule in everything} == set(range(1, 25))


def test_no_two_filters_bear_one_name() -> None:
    rules = [rule for p in PRESETS.values() for rule in (*p.filters, *p.after)]
    assert len({id(rule) for rule in rules}) == len(OURS)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution of somebody else with a filter and a weight; returns its entry points."""
    (tmp_path / "strangers.py").write_text(PLUGIN)
    info = tmp_path / "strangers-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: strangers\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    presets.installed_filters.cache_clear()
    yield info / "entry_points.txt"
    presets.installed_filters.cache_clear()
    sys.modules.pop("strangers", None)


def offer(entry_points: Path, group: str, value: str) -> None:
    entry_points.write_text(f"[{group}]\nodd_name = strangers:{value}\n")


def test_installed_filter_joins_every_preset(installed: Path) -> None:
    offer(installed, FILTER_GROUP, "odd_name")
    for name in PRESETS:
        chosen = preset(name)
        assert [r.name for r in chosen.filters[len(PRESETS[name].filters) :]] == ["odd_name"]
        found = rank(Demand(), [a_queue("A"), a_queue("LONG")], preset=chosen)
        assert [r.queue for r in found.ranked] == ["LONG"]
        assert [(r.rule, r.passes) for r in found.rejections] == [("odd_name", True)]
    check_filter(chosen.filters[-1], Demand(), [a_queue("A"), a_queue("LONG")])


def test_installed_weight_is_taken_by_name_and_spreads_in_proportion(installed: Path) -> None:
    offer(installed, WEIGHT_GROUP, "by_name")
    chosen = preset("generic", weight="odd_name")
    found = rank(Demand(), [a_queue("A"), a_queue("LONG")], preset=chosen)
    assert [(r.queue, r.weight, r.lane) for r in found.ranked] == [
        ("LONG", 4.0, None),
        ("A", 1.0, None),
    ]
    check_weight(chosen.weight, Demand(), [a_queue("A")])


@pytest.mark.parametrize(
    ("group", "value", "words"),
    [
        (FILTER_GROUP, "number", "is a int, a broker.rules.Rule is needed"),
        (FILTER_GROUP, "memory", "is named memory, as a filter of ours is"),
        (FILTER_GROUP, "nothing", "cannot be loaded"),
        (WEIGHT_GROUP, "number", "is a int, a function of demand, queue and view is needed"),
    ],
)
def test_plugin_that_is_none_is_named(installed: Path, group: str, value: str, words: str) -> None:
    offer(installed, group, value)
    with pytest.raises(Misconfigured, match=words):
        preset("generic", weight="odd_name" if group == WEIGHT_GROUP else "")


def test_unknown_preset_or_weight_is_named() -> None:
    with pytest.raises(Misconfigured, match="did you mean production"):
        preset("productions")
    with pytest.raises(Misconfigured, match=f"plugin fancy of group {WEIGHT_GROUP}"):
        preset("generic", weight="fancy")


def test_without_plugins_a_preset_is_what_is_written() -> None:
    assert preset("generic") == GENERIC
    assert capacity.memory in GENERIC.filters
