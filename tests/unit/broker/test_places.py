"""Places at a queue by our own books: never more than what is free, what will be, and a floor."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.pace import Pace
from broker.places import Alike, Asker, Berth, Pilots, Sight, Tally, berth
from broker.slots import SlotMemory
from broker.thresholds import Thresholds
from broker.values import Load

LIMITS = Thresholds(bind_ahead_seconds=30, bind_floor=20, bind_growth=1)
HOUR = Load(n_slots=10, mean_run_seconds=3600.0)
FOUR = (Pilots(1, 4, 4, 8000),)


def waiting(n_jobs: int, **changes: Any) -> Alike:
    values = {"share": "mine", "priority": 1000, "core_count": 1, "memory_mb": 2000,
              "for_long": False} | changes  # fmt: skip
    return Alike(n_jobs=n_jobs, **values)


def at(
    load: Load = HOUR, asker: Asker = Asker(share="mine"),  # noqa: B008 - frozen
    memory: SlotMemory | None = None, n_sent: int = 0, ends: float = 0.0, **books: Any,
) -> Berth:  # fmt: skip
    sight = Sight(load=load, n_sent=n_sent, ends_per_second=ends)
    return berth("Q", asker, Tally(**books), sight, memory or SlotMemory(), LIMITS)


UNKNOWN = Load()


@pytest.mark.parametrize(
    ("places", "scene"),
    [
        # Declared slots: what is free, and what starts within 30 s.
        (10, {}),
        (6, {"n_running": 4}),
        (3, {"n_running": 4, "waiting": (waiting(3),)}),
        (1, {"n_running": 4, "waiting": (waiting(3),), "n_sent": 2}),
        (0, {"n_running": 10}),
        (3, {"n_running": 10, "load": Load(n_slots=10, mean_run_seconds=100.0)}),
        (300, {"n_running": 10, "load": Load(n_slots=10, mean_run_seconds=1.0)}),
        (900, {"n_running": 10, "ends": 30.0}),
        # No slots known: so many that pilots are started.
        (20, {"load": UNKNOWN}),
        (5, {"load": UNKNOWN, "waiting": (waiting(15),)}),
        (20, {"load": Load(n_slots=0)}),  # their number changes all the time
        # Pilots say what they have; one more may wait, so that more of them come.
        (5, {"load": UNKNOWN, "pilots": FOUR}),
        (1, {"load": UNKNOWN, "pilots": FOUR, "n_running": 4, "running_cores": 4}),
        (0, {"load": UNKNOWN, "pilots": FOUR, "n_running": 4, "running_cores": 4,
             "waiting": (waiting(1),)}),
        (21, {"load": UNKNOWN, "pilots": (Pilots(5, 4, 4, 8000),)}),
        # More pilots than was declared are there all the same.
        (4, {"load": Load(n_slots=2), "pilots": FOUR}),
    ],
)  # fmt: skip
def test_places_at_a_queue(places: int, scene: dict[str, Any]) -> None:
    assert at(**scene).places == places


@pytest.mark.parametrize(
    ("asker", "places"),
    [
        (Asker(share="mine", core_count=2), 3),  # two fit, and one may wait
        (Asker(share="mine", memory_mb=4000), 3),
        (Asker(share="mine", core_count=8), 20),  # nobody there is large enough: as if none was
    ],
)
def test_wide_and_large_jobs_take_what_they_take(asker: Asker, places: int) -> None:
    assert at(UNKNOWN, asker, pilots=FOUR).places == places


def test_more_urgent_work_of_a_share_does_not_stand_behind_the_rest() -> None:
    line = (waiting(20, priority=900), waiting(3, priority=1100))
    assert at(UNKNOWN, waiting=line).places == 17


def test_share_that_has_nothing_there_gets_to_stand_in_the_line_of_others() -> None:
    line = (waiting(50, share="others"),)
    assert at(n_running=10, waiting=line).places == 1
    assert at(n_running=10, waiting=(*line, waiting(1))).places == 0


def test_what_waits_for_long_proves_that_the_declaration_is_wrong() -> None:
    memory, line = SlotMemory(), (waiting(3, for_long=True),)
    busy = {"memory": memory, "n_running": 4, "running_cores": 4, "pilots": FOUR}
    assert at(**busy, waiting=line).places == 0
    assert at(**busy).places == 0  # remembered
    assert at(**busy | {"n_running": 3, "running_cores": 3}).places == 1
    sight = Sight(load=HOUR, declared_at=1.0)
    assert berth("Q", Asker(), Tally(n_running=4), sight, memory, LIMITS).places == 6


def test_waiting_proves_nothing_where_no_pilot_is_yet() -> None:
    assert at(waiting=(waiting(3, for_long=True),)).places == 7


def test_large_jobs_that_wait_where_slots_are_idle_do_not_hinder_small_ones() -> None:
    stuck = (waiting(30, memory_mb=16_000, for_long=True),)
    small, large = Asker(share="mine"), Asker(share="mine", memory_mb=16_000)
    assert at(UNKNOWN, small, pilots=FOUR, waiting=stuck).places == 5
    assert at(UNKNOWN, large, pilots=FOUR, waiting=stuck).places == 0


def test_next_place_is_expected_by_how_fast_jobs_start() -> None:
    full = at(Load(n_slots=10, mean_run_seconds=1000.0), n_running=10, waiting=(waiting(4),))
    assert full.places == 0
    assert full.seconds_to_place == pytest.approx(500.0)
    assert at().seconds_to_place == 0


counts = st.integers(0, 60)


@given(st.tuples(counts, counts, counts, counts), st.floats(0.01, 1e5), st.booleans(),
       st.booleans())  # fmt: skip
def test_never_more_than_places_and_floor(
    numbers: tuple[int, int, int, int], mean: float, manned: bool, old: bool
) -> None:
    n_slots, running, mine, others = numbers
    pilots = (Pilots(2, 3, 3, 6000),) if manned else ()
    line = (waiting(mine, for_long=old), waiting(others, share="others"))
    load = Load(n_slots=n_slots, mean_run_seconds=mean)
    found = at(load, n_running=running, running_cores=running, pilots=pilots, waiting=line)
    slots = max(n_slots, running, 6 if manned else 0)
    soon = int(slots / max(1.0, mean) * 30)
    floor = 0 if n_slots else (1 if manned else 20)
    assert found.places <= max(slots - running, 0) + soon + max(floor, 1)
    if mine + others >= slots + soon + 20:
        assert found.places <= max(1, soon)


def test_pace_counts_only_what_ended_beyond_one_job_a_slot() -> None:
    pace = Pace()
    assert pace.look("Q", 0.0, 100, 4) == 0
    assert pace.look("Q", 0.5, 104, 4) == 0  # jobs that began together
    assert pace.look("Q", 2.0, 144, 4) == 20
    assert pace.look("Q", 10.0, 304, 4) == 20
    assert pace.look("Q", 30.0, 304, 4) == 0
    assert pace.look("OTHER", 30.0, 9, 4) == 0
