"""Splitting: every file once, in order, within the limits."""

from __future__ import annotations

from itertools import pairwise
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from tasks.sizing import Bounds, Cost, Given, given_bounds
from tasks.splitting import (
    Chunk,
    InputFile,
    event_ranges,
    events_of,
    fresh,
    halves,
    retries,
    split,
    split_among,
)

GB = 1_000_000_000


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


bounds = st.builds(
    Bounds,
    max_files=st.none() | st.integers(1, 7),
    max_disk_mb=st.floats(500, 5000) | st.just(inf),
    max_events=st.integers(1, 40).map(float) | st.just(inf),
)


@given(files(), bounds, st.booleans())
def test_each_file_is_in_at_most_one_chunk_and_order_is_kept(
    given_files: list[InputFile], most: Bounds, more: bool
) -> None:
    seen = [f for c in split(given_files, most, more) for f in c.files]
    assert seen == given_files[: len(seen)]


@given(files(), bounds)
def test_nothing_is_lost_when_no_more_comes(given_files: list[InputFile], most: Bounds) -> None:
    chunks = split(given_files, most, more_may_come=False)
    assert [f for c in chunks for f in c.files] == given_files
    assert all(c.files for c in chunks)


@given(files(), bounds)
def test_what_is_held_back_is_less_than_a_job(given_files: list[InputFile], most: Bounds) -> None:
    now, later = (split(given_files, most, more) for more in (True, False))
    assert later[: len(now)] == now
    assert len(later) - len(now) <= 1


@given(files(), bounds, st.booleans())
def test_bounds_hold_but_for_a_file_that_alone_is_over_one(
    given_files: list[InputFile], most: Bounds, more: bool
) -> None:
    for chunk in split(given_files, most, more):
        size, events = (sum(map(of, chunk.files)) for of in (lambda f: f.size_bytes, events_of))
        assert len(chunk.files) == 1 or most.hold(len(chunk.files), size, events)


@given(files(), bounds)
def test_jobs_are_as_big_as_the_bounds_allow(given_files: list[InputFile], most: Bounds) -> None:
    chunks = split(given_files, most, more_may_come=False)
    for chunk, following in pairwise(chunks):
        both = (*chunk.files, following.files[0])
        size, events = (sum(map(of, both)) for of in (lambda f: f.size_bytes, events_of))
        full = most.are_reached(len(chunk.files), sum(map(events_of, chunk.files)))
        assert full or not most.hold(len(both), size, events)


@given(files(), bounds, bounds, st.integers(0, 40), st.booleans())
def test_each_queue_gets_its_share_of_the_files_in_jobs_of_its_own_size(
    given_files: list[InputFile], here: Bounds, there: Bounds, first: int, more: bool
) -> None:
    first = min(first, len(given_files))
    shares = [("A", first), ("B", len(given_files) - first)]
    chunks = split_among(given_files, shares, {"A": here, "B": there}, more)
    assert [c for c in chunks if c.queue == "A"] == [
        Chunk(c.files, queue="A") for c in split(given_files[:first], here, more)
    ]
    assert [c for c in chunks if c.queue == "B"] == [
        Chunk(c.files, queue="B") for c in split(given_files[first:], there, more)
    ]


@given(files())
def test_retries_stay_together(given_files: list[InputFile]) -> None:
    again = retries(given_files)
    assert {c.retry_of for c in again} == {f.last_job_id for f in given_files} - {None}
    assert len({c.retry_of for c in again}) == len(again)
    for chunk in again:
        assert {f.last_job_id for f in chunk.files} == {chunk.retry_of}
    old = {f for c in again for f in c.files}
    assert old | set(fresh(given_files)) == set(given_files)
    assert old.isdisjoint(fresh(given_files))


def test_where_nothing_is_said_a_job_takes_one_file() -> None:
    one = given_bounds(Given(), Cost())
    assert ids(split([a_file(i) for i in range(3)], one, False)) == [[0], [1], [2]]


def test_remainder_waits_while_more_may_come() -> None:
    five, most = [a_file(i) for i in range(5)], Bounds(max_files=2)
    assert ids(split(five, most, more_may_come=True)) == [[0, 1], [2, 3]]
    assert ids(split(five, most, more_may_come=False)) == [[0, 1], [2, 3], [4]]


def test_file_without_a_count_is_one_event() -> None:
    most = Bounds(max_events=2)
    assert ids(split([a_file(i) for i in range(3)], most, False)) == [[0, 1], [2]]


def test_halves_of_a_chunk_are_told_apart() -> None:
    chunk = Chunk(tuple(a_file(i) for i in range(3)), retry_of=9)
    first, second = halves(chunk)
    assert ids([first, second]) == [[0, 1], [2]]
    assert (first.retry_of, first.is_split_off) == (9, False)
    assert (second.retry_of, second.is_split_off) == (9, True)
    assert halves(Chunk((a_file(1),), retry_of=9)) == [Chunk((a_file(1),), retry_of=9)]


@given(st.integers(0, 500), st.integers(1, 50), st.integers(0, 200))
def test_event_ranges_cover_every_event_once(n_events: int, per_job: int, already: int) -> None:
    ranges = event_ranges(n_events, per_job, already)
    covered = [event for start, count in ranges for event in range(start, start + count)]
    assert covered == list(range(n_events))
    assert all(0 < count <= per_job for _, count in ranges)


@given(st.lists(st.integers(1, 60), max_size=20), st.integers(1, 50))
def test_jobs_reach_over_the_ends_of_files(sizes: list[int], per_job: int) -> None:
    """All jobs but the last have just as many events as was asked."""
    already, pieces = 0, []
    for size in sizes:
        pieces += [a_file(0, n_events=n) for _, n in event_ranges(size, per_job, already)]
        already += size
    chunks = split(pieces, Bounds(max_events=per_job), more_may_come=False)
    events = [sum(map(events_of, chunk.files)) for chunk in chunks]
    assert all(count == per_job for count in events[:-1])
    assert sum(events) == sum(sizes)
