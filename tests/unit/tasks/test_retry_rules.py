"""What becomes of the input of a job that did not succeed (reliability.md, I6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.wire.error_codes import KINDS, SERVER_KINDS, PilotError, ServerError
from tasks.lifecycles import FileEvent
from tasks.retry_rules import MAX_LOST, Tries, after_failure, pause_seconds, spends_attempt


@pytest.mark.parametrize(
    ("pilot", "server", "spends"),
    [
        (PilotError.PAYLOAD_EXECUTION_FAILURE, 0, True),
        (PilotError.PAYLOAD_OUT_OF_MEMORY, 0, True),
        (PilotError.MISSING_OUTPUT_FILE, 0, True),
        (PilotError.NONE, 0, True),
        (424_242, 0, True),
        (PilotError.REACHED_MAX_TIME, 0, False),
        (PilotError.STAGE_IN_FAILED, 0, False),
        (PilotError.STAGE_OUT_FAILED, 0, False),
        (PilotError.COMMUNICATION_FAILURE, 0, False),
        (PilotError.NONE, ServerError.LOST_HEARTBEAT, False),
        # What the server booked counts, whatever the pilot said before it was lost.
        (PilotError.PAYLOAD_EXECUTION_FAILURE, ServerError.LOST_HEARTBEAT, False),
        (PilotError.NONE, ServerError.OUTPUT_NOT_VERIFIED, False),
        (PilotError.NONE, ServerError.KILLED_BY_USER, True),
    ],
)
def test_failure_spends_the_owners_attempt(pilot: int, server: int, spends: bool) -> None:
    assert spends_attempt(pilot, server) is spends


def test_every_code_has_words() -> None:
    assert set(KINDS) == set(PilotError)
    assert set(SERVER_KINDS) == set(ServerError)


tries = st.builds(Tries, st.integers(0, 5), st.integers(0, MAX_LOST), st.integers(1, 6))


@given(tries, st.booleans(), st.booleans())
def test_each_kind_of_failure_spends_only_its_own_tries(
    before: Tries, spends: bool, ending: bool
) -> None:
    _, now = after_failure(before, spends, ending)
    assert now.n_failed == before.n_failed + spends
    assert now.n_lost == before.n_lost + (not spends)
    assert now.max_attempts == before.max_attempts


@given(st.integers(1, 50), st.lists(st.booleans(), max_size=100))
def test_caps_hold_over_any_sequence_of_failures(cap: int, failures: list[bool]) -> None:
    now = Tries(0, 0, cap)
    for spends in failures:
        event, now = after_failure(now, spends, task_is_ending=False)
        assert now.n_failed <= cap
        assert now.n_lost <= MAX_LOST
        used_up = now.n_failed == cap or now.n_lost == MAX_LOST
        assert (event == FileEvent.FAILED) is used_up
        if used_up:
            return


def test_ending_task_tries_nothing_again() -> None:
    event, _ = after_failure(Tries(0, 0, 3), spends=False, task_is_ending=True)
    assert event == FileEvent.FAILED


@pytest.mark.parametrize(
    ("n_lost", "seconds"), [(1, 0), (2, 0), (3, 60), (4, 120), (6, 480), (7, 900), (10, 900)]
)
def test_what_the_system_fails_often_pauses_longer(n_lost: int, seconds: float) -> None:
    assert pause_seconds(n_lost) == seconds


def test_tries_of_a_file_outlast_an_outage_of_an_hour() -> None:
    assert sum(map(pause_seconds, range(1, MAX_LOST))) == 3600
