"""Job drafts: numbers that go on, and those that a retry keeps."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from broker.values import Lane, Ranked, Ranking
from tasks.splitting import Chunk, InputFile, halves
from tasks.stages.drafts import Draft, Numbers, Predecessor, Targets, draft, secondary_slice

QUEUES = {"A": 1, "B": 2}
RANKING = Ranking((Ranked("A", 3.0), Ranked("B", 1.0)), ())


def a_chunk(*ids: int, retry_of: int | None = None, **changes: Any) -> Chunk:
    return Chunk(tuple(InputFile(i, **changes) for i in ids), retry_of)


def drafted(
    *chunks: Chunk,
    before: dict[int, Predecessor] | None = None,
    by_events: bool = False,
    numbers: Numbers = Numbers(1, 0, 0),  # noqa: B008 - frozen
) -> tuple[list[Draft], Numbers]:
    return draft(chunks, Targets(RANKING, QUEUES), numbers, before or {}, by_events)


def test_fresh_jobs_are_numbered_on() -> None:
    drafts, following = drafted(a_chunk(1), a_chunk(2), numbers=Numbers(7, 5, 30))
    assert [(d.serial_nr, d.sequence_nr, d.first_event, d.attempt_nr) for d in drafts] == [
        (7, 5, 30, 1),
        (8, 6, 31, 1),
    ]
    assert following == Numbers(9, 7, 32)


def test_retry_keeps_sequence_and_events_and_takes_a_new_serial() -> None:
    drafts, following = drafted(
        a_chunk(1, retry_of=4), a_chunk(2), before={4: Predecessor(2, 0, 10)},
        numbers=Numbers(5, 3, 40),
    )  # fmt: skip
    assert [(d.serial_nr, d.sequence_nr, d.first_event, d.attempt_nr) for d in drafts] == [
        (5, 0, 10, 3),
        (6, 3, 40, 1),
    ]
    assert following == Numbers(7, 4, 41)


def test_job_of_a_range_of_events_says_which() -> None:
    drafts, _ = drafted(
        a_chunk(1, n_events=10, start_event=0),
        a_chunk(2, n_events=4, start_event=10),
        by_events=True,
    )
    assert [(d.max_events, d.skip_events, d.first_event) for d in drafts] == [
        (10, 0, 0),
        (4, 10, 10),
    ]


def test_job_not_split_by_events_takes_all() -> None:
    drafts, _ = drafted(a_chunk(1, n_events=10))
    assert (drafts[0].max_events, drafts[0].skip_events) == (-1, 0)


@given(st.integers(0, 50))
def test_every_job_has_a_queue_by_the_ranking(n_jobs: int) -> None:
    drafts, _ = drafted(*(a_chunk(i) for i in range(n_jobs)))
    count = Counter(d.queue_id for d in drafts)
    assert count.total() == n_jobs
    assert abs(count[1] - 3 * n_jobs / 4) <= 1


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 100))
def test_secondary_files_go_round_and_never_twice_in_a_job(
    n_files: int, per_job: int, sequence_nr: int
) -> None:
    files = list(range(n_files))
    taken = secondary_slice(files, per_job, sequence_nr)
    assert len(taken) == len(set(taken)) == min(per_job, n_files)
    assert taken[0] == (sequence_nr * len(taken)) % n_files


def test_secondary_stream_without_files_gives_none() -> None:
    assert secondary_slice([], 2, 5) == ()


def test_halves_of_a_retry_share_its_events_and_not_its_number() -> None:
    chunk = a_chunk(1, 2, 3, retry_of=4, n_events=10)
    drafts, following = drafted(
        *halves(chunk), before={4: Predecessor(1, 0, 100)}, numbers=Numbers(5, 3, 400)
    )
    assert [(d.attempt_nr, d.serial_nr, d.sequence_nr, d.first_event) for d in drafts] == [
        (2, 5, 0, 100),
        (2, 6, 3, 120),
    ]
    assert following == Numbers(7, 4, 400)


def test_chunk_that_was_sized_for_a_queue_goes_there() -> None:
    sized = Chunk((InputFile(1),), queue="B")
    drafts, _ = drafted(a_chunk(2), sized, a_chunk(3))
    assert [d.queue_id for d in drafts] == [1, 2, 1]


def test_chunk_without_a_place_becomes_no_job() -> None:
    chunks = [a_chunk(i) for i in range(5)]
    lanes = Ranking((Ranked("A", 3.0, Lane(0, 1, 0)), Ranked("B", 1.0, Lane(0, 1, 0))), ())
    targets = Targets(lanes, QUEUES, {"A": 1, "B": 2})
    drafts, following = draft(chunks, targets, Numbers(1, 0, 0), {}, False)
    assert [d.chunk for d in drafts] == chunks[:3]
    assert Counter(d.queue_id for d in drafts) == {1: 1, 2: 2}
    assert following == Numbers(4, 3, 3)


def test_chunk_that_was_sized_for_a_queue_goes_there_or_nowhere() -> None:
    chunks = [Chunk((InputFile(i),), queue="B" if i % 2 else "A") for i in range(6)]
    lanes = Ranking((Ranked("A", 3.0, Lane(0, 1, 0)), Ranked("B", 1.0, Lane(0, 1, 0))), ())
    drafts, _ = draft(chunks, Targets(lanes, QUEUES, {"A": 9, "B": 1}), Numbers(1, 0, 0), {}, False)
    assert [d.queue_id for d in drafts] == [1, 2, 1, 1]


def test_both_halves_of_a_job_are_written_or_none() -> None:
    parts = halves(a_chunk(1, 2, retry_of=4)) + halves(a_chunk(3, 4, retry_of=5))
    before = {4: Predecessor(1, 0, 0), 5: Predecessor(1, 1, 2)}
    lanes = Ranking((Ranked("A", 3.0, Lane(0, 1, 0)),), ())
    drafts, _ = draft(parts, Targets(lanes, QUEUES, {"A": 1}), Numbers(3, 2, 4), before, False)
    assert [d.chunk for d in drafts] == parts[:2]
