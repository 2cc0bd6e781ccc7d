"""Splitting: every file once, in order, within the limits."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from tasks.splitting import (
    GB,
    Chunk,
    InputFile,
    SplitRule,
    event_ranges,
    events_of,
    split,
)


def a_file(file_id: int, **changes: int | None) -> InputFile:
    return InputFile(file_id, **changes)  # type: ignore[arg-type]


def ids(chunks: list[Chunk]) -> list[list[int]]:
    return [[f.file_id for f in chunk.files] for chunk in chunks]


@st.composite
def files(draw: st.DrawFn) -> list[InputFile]:
    count = draw(st.integers(0, 40))
    return [
        InputFile(
            i,
            size_bytes=draw(st.integers(0, 3 * GB)),
            n_events=draw(st.none() | st.integers(0, 30)),
            last_job_id=draw(st.none() | st.integers(1, 5)),
        )
        for i in range(count)
    ]


rules = st.builds(
    SplitRule,
    n_files_per_job=st.none() | st.integers(1, 7),
    n_gb_per_job=st.none() | st.floats(0.5, 5),
    n_events_per_job=st.none() | st.integers(1, 40),
)


def fresh_chunks(chunks: list[Chunk]) -> Iterator[Chunk]:
    return (c for c in chunks if c.retry_of is None)


@given(files(), rules, st.booleans())
def test_each_file_is_in_at_most_one_chunk_and_order_is_kept(
    given_files: list[InputFile], rule: SplitRule, more: bool
) -> None:
    chunks = split(given_files, rule, more)
    seen = [f.file_id for c in chunks for f in c.files]
    assert len(seen) == len(set(seen))
    fresh = [f.file_id for c in fresh_chunks(chunks) for f in c.files]
    assert fresh == sorted(fresh)
    assert all(list(c.files) == sorted(c.files, key=lambda f: f.file_id) for c in chunks)


@given(files(), rules)
def test_nothing_is_lost_when_no_more_comes(given_files: list[InputFile], rule: SplitRule) -> None:
    chunks = split(given_files, rule, more_may_come=False)
    assert {f for c in chunks for f in c.files} == set(given_files)
    assert all(c.files for c in chunks)


@given(files(), rules)
def test_what_is_held_back_is_less_than_a_job(
    given_files: list[InputFile], rule: SplitRule
) -> None:
    now, later = (split(given_files, rule, more) for more in (True, False))
    assert later[: len(now)] == now
    assert len(later) - len(now) <= 1


@given(files(), rules, st.booleans())
def test_limits_hold_but_for_a_file_that_alone_is_over_one(
    given_files: list[InputFile], rule: SplitRule, more: bool
) -> None:
    for chunk in fresh_chunks(split(given_files, rule, more)):
        if len(chunk.files) == 1:
            continue
        assert rule.is_given
        assert rule.n_files_per_job is None or len(chunk.files) <= rule.n_files_per_job
        size, events = (sum(map(of, chunk.files)) for of in (lambda f: f.size_bytes, events_of))
        assert rule.n_gb_per_job is None or size <= rule.n_gb_per_job * GB
        assert rule.n_events_per_job is None or events <= rule.n_events_per_job


@given(files(), rules, st.booleans())
def test_retries_stay_together(given_files: list[InputFile], rule: SplitRule, more: bool) -> None:
    chunks = split(given_files, rule, more)
    before = {f.last_job_id for f in given_files} - {None}
    again = [c for c in chunks if c.retry_of is not None]
    assert {c.retry_of for c in again} == before
    assert len(again) == len(before)
    for chunk in again:
        assert {f.last_job_id for f in chunk.files} == {chunk.retry_of}


def test_without_a_rule_a_job_takes_one_file() -> None:
    assert ids(split([a_file(i) for i in range(3)], SplitRule(), False)) == [[0], [1], [2]]


def test_remainder_waits_while_more_may_come() -> None:
    five, rule = [a_file(i) for i in range(5)], SplitRule(n_files_per_job=2)
    assert ids(split(five, rule, more_may_come=True)) == [[0, 1], [2, 3]]
    assert ids(split(five, rule, more_may_come=False)) == [[0, 1], [2, 3], [4]]


def test_file_without_a_count_is_one_event() -> None:
    rule = SplitRule(n_events_per_job=2)
    assert ids(split([a_file(i) for i in range(3)], rule, False)) == [[0, 1], [2]]


@given(st.integers(0, 500), st.integers(1, 50))
def test_event_ranges_cover_every_event_once(n_events: int, per_job: int) -> None:
    ranges = event_ranges(n_events, per_job)
    covered = [event for start, count in ranges for event in range(start, start + count)]
    assert covered == list(range(n_events))
    assert all(0 < count <= per_job for _, count in ranges)
