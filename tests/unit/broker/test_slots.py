"""Binding just in time: the room at a queue by our own books and by older statistics."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.order import due_at
from broker.slots import SlotMemory
from broker.values import Load

TEN = Load(n_slots=10, mean_run_seconds=100.0)


def free(memory: SlotMemory, running: int, waiting: int, view_at: float, load: Load = TEN) -> int:
    return memory.room("Q", load, running, waiting, view_at).free


def test_statistics_count_until_something_contradicts() -> None:
    assert free(SlotMemory(), 4, 0, 0.0) == 6


def test_more_running_than_slots_seen_means_more_slots() -> None:
    assert free(SlotMemory(), 14, 0, 0.0) == 0


def test_job_that_waits_means_that_no_slot_is_free() -> None:
    assert free(SlotMemory(), 4, 2, 0.0) == -2


def test_what_was_learnt_counts_until_newer_statistics() -> None:
    memory = SlotMemory()
    free(memory, 4, 1, 0.0)
    assert free(memory, 3, 0, 0.0) == 1
    assert free(memory, 3, 0, 300.0) == 7


def test_statistics_from_the_future_do_not_outlive_the_next_ones() -> None:
    memory = SlotMemory()
    free(memory, 4, 1, 1e9)
    assert free(memory, 3, 0, 300.0) == 7


def test_workers_in_the_batch_system_count_where_no_slots_are_declared() -> None:
    assert free(SlotMemory(), 0, 0, 0.0, Load(n_batch_jobs=5)) == 5


@pytest.mark.parametrize(("ahead", "places"), [(0, 6), (30, 9), (100, 16)])
def test_places_are_what_is_free_and_what_will_be(ahead: float, places: int) -> None:
    assert SlotMemory().room("Q", TEN, 4, 0, 0.0).places(ahead) == places


def test_wide_jobs_see_a_shorter_and_slower_line() -> None:
    line = SlotMemory().room("Q", TEN, 3, 0, 0.0).line(width=4)
    assert (line.backlog, line.rate) == (-1, 0.1 / 4)


def test_queue_without_slots_is_a_line_that_hardly_moves() -> None:
    room = SlotMemory().room("Q", Load(n_slots=0), 0, 0, 0.0)
    assert room.places() == 0
    assert room.line().rate > 0


@given(running=st.integers(0, 50), waiting=st.integers(0, 50), slots=st.integers(0, 50))
def test_nothing_is_free_where_something_waits(running: int, waiting: int, slots: int) -> None:
    room = SlotMemory().room("Q", Load(n_slots=slots), running, waiting, 0.0)
    assert room.n_slots >= running
    assert room.free <= max(0, slots - running)
    assert not waiting or room.free == -waiting


def test_short_work_is_due_before_long_work_of_the_same_moment() -> None:
    assert due_at(0, 60) < due_at(0, 3600)
    assert due_at(0, 3600) < due_at(10 * 3600, 60)
    assert due_at(5, -1) == due_at(5, 0) == 5


def test_who_knows_better_says_whether_it_is_full() -> None:
    memory = SlotMemory()
    assert memory.room("Q", TEN, 4, 2, 0.0, is_full=False).free == 4
    assert memory.room("Q", TEN, 4, 0, 0.0, is_full=True).free == 0
