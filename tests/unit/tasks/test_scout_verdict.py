"""Scouts that exhaust a task (documentation, 15.7), each with its words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.scout_verdict import Evidence, findings
from tasks.scouting import Asked, Scout, learn
from tasks.thresholds import Scouting

STRICT = Scouting(mem_leak_per_core=50.0, short_exectime_minutes=5.0)


def judged(scouts: list[Scout], asked: Asked, rules: Scouting = STRICT) -> list[str]:
    found = findings(Evidence(scouts, asked, learn(scouts, asked, rules), rules))
    return [str(finding) for finding in found]


GOOD = Scout(wall_seconds=3600, cpu_seconds=3500, max_pss_mb=1000, n_events=100)


@pytest.mark.parametrize(
    ("scout", "asked", "said"),
    [
        (Scout(wall_seconds=3600, leak_kb_per_second=60), Asked(),
         "memory leak: memory grew by 60 kB/s a core, 50 are allowed"),
        (Scout(wall_seconds=60), Asked(size_is_given=True),
         "too many short jobs: 3 of 3 ran for less than 5 min"),
        (Scout(max_pss_mb=5000), Asked(ram_count_mb=2000),
         "ramCount is 5500 MB a core, 2000 asked"),
        (Scout(wall_seconds=1000, n_events=100), Asked(cpu_time=50),
         "cpuTime is 135 HS06 s an event, 50 asked"),
        (Scout(wall_seconds=3600, cpu_seconds=720), Asked(min_cpu_efficiency=0.5),
         "CPU efficiency is 20%, 50% are needed"),
        (Scout(wall_seconds=3600, cpu_seconds=4 * 3600), Asked(),
         "4.0 CPUs are used, 1 allotted"),
    ],
)  # fmt: skip
def test_what_exhausts_a_task(scout: Scout, asked: Asked, said: str) -> None:
    [found] = judged([scout] * 3, asked)
    assert found.startswith(said)
    assert len(found) > len(said) + 10  # and what to do about it


@pytest.mark.parametrize(
    ("scouts", "asked"),
    [
        ([], Asked(min_cpu_efficiency=0.9)),
        ([GOOD], Asked(min_cpu_efficiency=0.9, cpu_time=300)),
        ([Scout()], Asked(min_cpu_efficiency=0.9, cpu_time=1, size_is_given=True)),
        # short jobs whose size is ours to choose become longer by themselves
        ([Scout(wall_seconds=60)], Asked()),
        ([Scout(wall_seconds=60), Scout(wall_seconds=600)], Asked(size_is_given=True)),
        ([Scout(wall_seconds=3600, core_count=4, cpu_seconds=4 * 3600)], Asked(core_count=4)),
        ([Scout(wall_seconds=20, cpu_seconds=80)], Asked()),
        ([Scout(wall_seconds=3600, core_count=4, leak_kb_per_second=190)], Asked()),
        ([Scout(max_pss_mb=3000)], Asked(ram_count_mb=2000)),
    ],
)  # fmt: skip
def test_what_does_not(scouts: list[Scout], asked: Asked) -> None:
    assert judged(scouts, asked) == []


def test_every_fault_is_named() -> None:
    scout = Scout(wall_seconds=100, cpu_seconds=10, max_pss_mb=9000, leak_kb_per_second=100)
    asked = Asked(size_is_given=True, min_cpu_efficiency=0.5)
    assert len(judged([scout], asked)) == 4


def test_leak_and_short_jobs_are_judged_only_where_an_operator_set_a_limit() -> None:
    scout = Scout(wall_seconds=1, leak_kb_per_second=1e6)
    assert judged([scout], Asked(size_is_given=True), Scouting()) == []


@given(st.integers(1, 12), st.floats(0.01, 1.0))
def test_task_that_did_as_it_asked_is_never_exhausted(n_scouts: int, share: float) -> None:
    scout = Scout(wall_seconds=1000, cpu_seconds=1000 * share, max_pss_mb=1800, n_events=100)
    asked = Asked(ram_count_mb=2000, cpu_time=135, min_cpu_efficiency=share / 2)
    assert judged([scout] * n_scouts, asked) == []
