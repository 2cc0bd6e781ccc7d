"""What scouts teach: the formulas of the documentation, 15."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.wire.resource_units import CpuTimeUnit, RamCountUnit
from tasks.memory_steps import next_step, step_up
from tasks.scouting import (
    Asked,
    Lesson,
    Scout,
    adjusted,
    counts,
    cpu_time,
    disk_io,
    io_intensity,
    learn,
    percentile,
    ram_count,
)
from tasks.thresholds import Scouting

RULES = Scouting()
HOUR = 3600.0


@pytest.mark.parametrize(
    ("scout", "does"),
    [
        # 15.1: nEvents >= 10 x coreCount, or fewer and endTime - startTime >= 6 h
        (Scout(n_events=10, wall_seconds=1), True),
        (Scout(n_events=9, wall_seconds=1), False),
        (Scout(n_events=79, core_count=8, wall_seconds=1), False),
        (Scout(n_events=80, core_count=8, wall_seconds=1), True),
        (Scout(n_events=1, wall_seconds=6 * HOUR), True),
        (Scout(n_events=1, wall_seconds=6 * HOUR - 1), False),
    ],
)
def test_scout_that_counts(scout: Scout, does: bool) -> None:
    assert counts(scout) is does


@pytest.mark.parametrize(
    ("scout", "asked", "value"),
    [
        # 15.1: max(0, end - start - baseTime) x corePower x coreCount x cpuEfficiency x 1.5 / n
        (Scout(wall_seconds=100, n_events=10), Asked(), 135.0),
        (Scout(wall_seconds=100, n_events=10, core_power=20), Asked(), 270.0),
        (Scout(wall_seconds=100, n_events=10, core_count=8), Asked(), 1080.0),
        (Scout(wall_seconds=100, n_events=10), Asked(base_seconds=60), 54.0),
        (Scout(wall_seconds=100, n_events=10), Asked(base_seconds=160), 0.0),
        (Scout(wall_seconds=100, n_events=10), Asked(cpu_efficiency=0.45), 67.5),
        (Scout(wall_seconds=100, n_events=10), Asked(cpu_efficiency=0), 0.0),
    ],
)
def test_cpu_time(scout: Scout, asked: Asked, value: float) -> None:
    assert cpu_time(scout, asked) == pytest.approx(value)


@pytest.mark.parametrize(
    ("scout", "asked", "rules", "value"),
    [
        # 15.2: max((maxPSS - baseRamCount) / coreCount x margin, minRamCount)
        (Scout(max_pss_mb=1000), Asked(), RULES, 1100),
        (Scout(max_pss_mb=8000, core_count=8), Asked(), RULES, 1100),
        (Scout(max_pss_mb=1000), Asked(base_ram_mb=400), RULES, 660),
        (Scout(max_pss_mb=1000), Asked(), Scouting(ram_count_margin=50.0), 1500),
        (Scout(max_pss_mb=1000), Asked(), Scouting(ram_count_min=2000.0), 2000),
        (Scout(max_pss_mb=1000), Asked(base_ram_mb=4000), Scouting(ram_count_min=100.0), 100),
    ],
)
def test_ram_count(scout: Scout, asked: Asked, rules: Scouting, value: float) -> None:
    assert ram_count(scout, asked, rules) == pytest.approx(value)


def test_input_and_output_rates() -> None:
    """15.4: (input + output) / run time. 15.5: min((read + written) / run time, cap)."""
    scout = Scout(input_mb=30, output_mb=10, read_mb=60, write_mb=20, wall_seconds=10)
    assert io_intensity(scout) == 4000
    assert disk_io(scout, RULES) == 8000
    assert disk_io(scout, Scouting(disk_io_cap=5000.0)) == 5000


@pytest.mark.parametrize(
    ("values", "rank", "value"),
    [
        ([3], 75, 3), ([1, 2, 3, 4], 75, 3), ([4, 3, 2, 1], 100, 4), ([1, 2, 3, 4], 50, 2),
        (list(range(1, 101)), 95, 95), ([1, 2, 3, 4], 0, 1),
    ],
)  # fmt: skip
def test_percentile_is_one_of_the_values(values: list[float], rank: float, value: float) -> None:
    assert percentile(values, rank) == value


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="of nothing"):
        percentile([], 50)


def test_lesson_takes_each_quantity_from_the_scouts_that_tell_of_it() -> None:
    few = Scout(n_events=1, wall_seconds=900, max_pss_mb=300, output_mb=900, work_dir_mb=70)
    many = Scout(n_events=20, wall_seconds=40, max_pss_mb=100, output_mb=10, work_dir_mb=50,
                 input_mb=40)  # fmt: skip
    lesson = learn([few, many], Asked(), RULES)
    assert lesson.cpu_time == cpu_time(many, Asked())  # 15.1: the other has too few events
    assert lesson.output_mb_per_event == 0.5  # 15.3: fewer than ten events are ignored
    assert lesson.input_mb_per_event == 2
    assert lesson.work_disk_mb == 70  # 15.3: the largest of all
    assert lesson.ram_count_mb == ram_count(few, Asked(), RULES)
    assert lesson.n_jobs == 2


def test_ranks_are_the_operators() -> None:
    scouts = [Scout(max_pss_mb=mb, n_events=10, wall_seconds=mb) for mb in range(1, 101)]
    lesson = learn(scouts, Asked(), RULES)
    assert lesson.ram_count_mb == pytest.approx(75 * 1.1)
    assert lesson.cpu_time == pytest.approx(95 * 1.35)
    other = Scouting(ram_count_rank=50.0, cpu_time_rank=10.0)
    lesson = learn(scouts, Asked(), other)
    assert lesson.ram_count_mb == pytest.approx(50 * 1.1)
    assert lesson.cpu_time == pytest.approx(10 * 1.35)


def test_nothing_measured_teaches_nothing() -> None:
    assert learn([Scout()], Asked(), RULES) == Lesson(n_jobs=1, work_disk_mb=0)
    assert learn([], Asked(), RULES) == Lesson()


def test_cpu_efficiency_zero_learns_no_time_an_event() -> None:
    """15.1: it disables scaling with the number of events."""
    scout = Scout(n_events=100, wall_seconds=100)
    assert learn([scout], Asked(cpu_efficiency=0), RULES).cpu_time is None


@pytest.mark.parametrize(
    ("asked", "lesson", "changed"),
    [
        (Asked(), Lesson(), {}),
        (Asked(), Lesson(cpu_time=7), {"cpu_time": 7}),
        (Asked(cpu_time=3), Lesson(cpu_time=7), {"cpu_time": 7}),
        # 15.1, 15.2: the suffix Fixed keeps what was preset
        (Asked(cpu_time=3, cpu_time_is_fixed=True), Lesson(cpu_time=7), {}),
        (Asked(ram_count_is_fixed=True), Lesson(ram_count_mb=100), {}),
        (Asked(ram_count_mb=2000), Lesson(ram_count_mb=700, max_pss_mb=600),
         {"ram_count_mb": 1000}),
        # a floor (SCOUT_RAMCOUNT_MIN) never raises what the owner asked for
        (Asked(ram_count_mb=100), Lesson(ram_count_mb=2000, max_pss_mb=80), {}),
        (Asked(ram_count_mb=1000), Lesson(ram_count_mb=1320, max_pss_mb=1200),
         {"ram_count_mb": 2000}),
        # 15.3: a smaller work directory does not overwrite
        (Asked(work_disk_mb=100), Lesson(work_disk_mb=50), {}),
        (Asked(work_disk_mb=100), Lesson(work_disk_mb=150), {"work_disk_mb": 150}),
        (Asked(output_mb_per_event=5), Lesson(output_mb_per_event=2), {"output_mb_per_event": 2}),
        # 15.6: with a target of output, nGBPerJob follows; without, it stays
        (Asked(n_gb_per_job=10), Lesson(output_mb_per_event=2, input_mb_per_event=3),
         {"output_mb_per_event": 2}),
        (Asked(n_gb_per_job=10, target_output_gb=4),
         Lesson(output_mb_per_event=2, input_mb_per_event=3, work_disk_mb=500),
         {"output_mb_per_event": 2, "work_disk_mb": 500, "n_gb_per_job": 10.5}),
        (Asked(n_gb_per_job=10, target_output_gb=4), Lesson(output_mb_per_event=0,
         input_mb_per_event=3), {}),
    ],
)  # fmt: skip
def test_what_is_asked_for_next(asked: Asked, lesson: Lesson, changed: dict[str, float]) -> None:
    assert adjusted(asked, lesson) == replace(asked, **changed)  # type: ignore[arg-type]


scouts = st.lists(
    st.builds(
        Scout, n_events=st.integers(1, 1000), core_count=st.integers(1, 8),
        wall_seconds=st.floats(0, 1e5), cpu_seconds=st.floats(0, 1e5),
        max_pss_mb=st.floats(0, 1e5), work_dir_mb=st.floats(0, 1e5), input_mb=st.floats(0, 1e4),
        output_mb=st.floats(0, 1e4), read_mb=st.floats(0, 1e4), write_mb=st.floats(0, 1e4),
    ),
    max_size=12,
)  # fmt: skip
askings = st.builds(
    Asked, ram_count_mb=st.floats(1, 1e4), ram_count_is_fixed=st.booleans(),
    cpu_time=st.none() | st.floats(0, 1e3), cpu_time_is_fixed=st.booleans(),
    work_disk_mb=st.floats(0, 1e4), base_ram_mb=st.floats(0, 1000),
)  # fmt: skip


@given(scouts, askings)
def test_fixed_stays_and_the_work_directory_never_shrinks(
    given_scouts: list[Scout], asked: Asked
) -> None:
    now = adjusted(asked, learn(given_scouts, asked, RULES))
    assert now.work_disk_mb >= asked.work_disk_mb
    assert now.ram_count_mb == asked.ram_count_mb or not asked.ram_count_is_fixed
    assert now.cpu_time == asked.cpu_time or not asked.cpu_time_is_fixed
    assert (now.cpu_time is None) <= (asked.cpu_time is None)


@given(scouts, askings)
def test_order_of_scouts_does_not_matter(given_scouts: list[Scout], asked: Asked) -> None:
    assert learn(given_scouts, asked, RULES) == learn(reversed(given_scouts), asked, RULES)


@pytest.mark.parametrize(
    ("unit", "fixed", "seconds"),
    [
        ("HS06sPerEvent", False, 1.0), ("mHS06sPerEvent", False, 0.001),
        ("HS06sPerEventFixed", True, 1.0), ("mHS06sPerEventFixed", True, 0.001),
    ],
)  # fmt: skip
def test_units_of_cpu_time(unit: str, fixed: bool, seconds: float) -> None:
    assert (CpuTimeUnit(unit).is_fixed, CpuTimeUnit(unit).seconds) == (fixed, seconds)


def test_units_of_memory() -> None:
    assert not RamCountUnit("MBPerCore").is_fixed
    assert RamCountUnit("MBPerCoreFixed").is_fixed


@given(st.floats(0, 1e6))
def test_steps_of_memory_only_rise(mb: float) -> None:
    assert mb <= step_up(mb) <= next_step(mb)
    assert next_step(mb) > mb
    assert step_up(step_up(mb)) == step_up(mb)
    assert next_step(step_up(mb)) > step_up(mb)
