"""The retry module (documentation, 20): rules over errors, and what they do to the retries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.core.errors import InvalidRequest
from culm.wire.error_codes import PilotError, ServerError
from culm.wire.retry_rules import ErrorSource, NewRetryRule, RetryAction
from tasks.retry_rules import Failure, RetryRule, advise, checked_rule

OUT_OF_MEMORY = Failure(pilot_error_code=PilotError.PAYLOAD_OUT_OF_MEMORY, memory_mb=2000)
EXIT_3 = Failure(
    exit_code=3, pilot_error_code=PilotError.PAYLOAD_EXECUTION_FAILURE,
    pilot_error_diag="the payload exited with an error: no such branch: Muons",
)  # fmt: skip


def rule(source: str, action: str, **changes: Any) -> RetryRule:
    return checked_rule(
        NewRetryRule(source=ErrorSource(source), action=RetryAction(action), **changes), 7
    )


@pytest.mark.parametrize(
    ("given_rule", "failure", "does"),
    [
        (rule("payload", "no_retry", code=3), EXIT_3, True),
        (rule("payload", "no_retry", code=4), EXIT_3, False),
        (rule("pilot", "no_retry", code=3), EXIT_3, False),
        (rule("pilot", "no_retry", code=1305), EXIT_3, True),
        (rule("payload", "no_retry", pattern="no such branch"), EXIT_3, True),
        (rule("payload", "no_retry", pattern=r"branch: \w+s$"), EXIT_3, True),
        (rule("payload", "no_retry", code=3, pattern="segmentation"), EXIT_3, False),
        (rule("dispatcher", "no_retry", code=100),
         Failure(server_error_code=ServerError.LOST_HEARTBEAT), True),
        (rule("task_buffer", "no_retry", code=100),
         Failure(server_error_code=ServerError.LOST_HEARTBEAT), False),
        (rule("task_buffer", "no_retry", code=101),
         Failure(server_error_code=ServerError.WAITED_TOO_LONG), True),
        # 20.2: scope
        (rule("payload", "no_retry", code=3, work_queue="mc"), EXIT_3, False),
        (rule("payload", "no_retry", code=3, work_queue="mc"),
         Failure(exit_code=3, work_queue="mc"), True),
        (rule("payload", "no_retry", code=3, release="Athena-21.2", architecture="x86_64"),
         Failure(exit_code=3, release="Athena-21.2", architecture="x86_64"), True),
        (rule("payload", "no_retry", code=3, architecture="el9-opt"),
         Failure(exit_code=3, architecture="el9-opt@el9#x86_64&nvidia"), True),
        (rule("payload", "no_retry", code=3, architecture="el9-opt#x86_64"),
         Failure(exit_code=3, architecture="el9-opt"), False),
        (rule("payload", "no_retry", code=3, release="Athena-21.2"), EXIT_3, False),
        (rule("payload", "no_retry", code=3, release="Athena-21.2", architecture="x86_64"),
         Failure(exit_code=3, release="Athena-21.2", architecture="aarch64"), False),
    ],
)  # fmt: skip
def test_which_failures_a_rule_speaks_of(
    given_rule: RetryRule, failure: Failure, does: bool
) -> None:
    assert given_rule.matches(failure) is does


def test_no_retry_ends_it() -> None:
    advice = advise(EXIT_3, [rule("payload", "no_retry", code=3)])
    assert advice.hopeless == "retry rule 7: no_retry"


def test_person_who_says_retry_overrules() -> None:
    told_to_retry = replace(EXIT_3, n_tries=0)
    assert advise(told_to_retry, [rule("payload", "no_retry", code=3)]).hopeless == ""


@pytest.mark.parametrize(("n_tries", "ends"), [(1, False), (2, False), (3, True)])
def test_limit_retry_allows_so_many_retries(n_tries: int, ends: bool) -> None:
    limit = rule("payload", "limit_retry", code=3, max_retries=2)
    advice = advise(Failure(exit_code=3, n_tries=n_tries), [limit])
    assert advice.hopeless == ("retry rule 7: limit_retry(2)" if ends else "")


@pytest.mark.parametrize(
    ("failure", "memory_mb"),
    [
        (OUT_OF_MEMORY, 3000),
        (Failure(pilot_error_code=PilotError.PAYLOAD_EXCEED_MAX_MEM, memory_mb=100), 250),
        (Failure(pilot_error_code=1235, memory_mb=2000, max_pss_mb=5000), 6000),
        (Failure(pilot_error_code=1235, memory_mb=8000, core_count=8), 16_000),
        (Failure(pilot_error_code=1235, memory_mb=8000), 12_000),
        # the kernel kills a payload that is over its control group's memory
        (Failure(pilot_error_code=PilotError.KILL_SIGNAL, memory_mb=2000, max_pss_mb=1900), 3000),
        (Failure(pilot_error_code=PilotError.KILL_SIGNAL, memory_mb=2000, max_pss_mb=900), 2000),
        (EXIT_3, 2000),
    ],
)
def test_memory_is_raised_by_itself_where_it_was_short(failure: Failure, memory_mb: int) -> None:
    assert advise(failure, []).memory_mb == memory_mb


def test_rule_raises_no_memory_where_it_was_not_short() -> None:
    assert advise(EXIT_3, [rule("payload", "increase_memory", code=3)]).memory_mb == 2000


def test_cpu_time_and_input_by_rule() -> None:
    slow = Failure(pilot_error_code=PilotError.REACHED_MAX_TIME, walltime_seconds=3600)
    advice = advise(slow, [rule("pilot", "increase_cpu_time", code=1213)])
    assert (advice.walltime_seconds, advice.reduce_input) == (5400, False)
    advice = advise(slow, [rule("pilot", "reduce_input", code=1213)])
    assert (advice.walltime_seconds, advice.reduce_input) == (3600, True)


def test_passive_rule_only_says_what_it_would_do() -> None:
    advice = advise(EXIT_3, [rule("payload", "no_retry", code=3, active=False)])
    assert (advice.hopeless, advice.because) == ("", ())
    assert advice.would == ("retry rule 7: no_retry",)


@pytest.mark.parametrize(
    ("changes", "field", "needed"),
    [
        ({"pattern": "(", "code": 1}, "pattern", "a Python regular expression (missing )"),
        ({"pattern": "[z-a]"}, "pattern", "bad character range z-a at position 1"),
        ({"pattern": "a{99999999999}"}, "pattern", "a Python regular expression"),
        ({}, "code", "give a code, a pattern, or both"),
        ({"action": RetryAction.LIMIT_RETRY, "code": 1}, "max_retries", "needs a number"),
        ({"code": 1, "max_retries": 2}, "max_retries", "only for limit_retry"),
        ({"code": 1, "architecture": "#a#b"}, "architecture", "host_cpu (#) stands there twice"),
        ({"code": 1, "release": "21.0.38"}, "release", "PROJECT-VERSION, like Athena-21.0.38"),
    ],
)
def test_rule_that_cannot_be_used_is_refused(
    changes: dict[str, Any], field: str, needed: str
) -> None:
    values = {"source": ErrorSource.PILOT, "action": RetryAction.NO_RETRY} | changes
    with pytest.raises(InvalidRequest) as refused:
        checked_rule(NewRetryRule(**values))
    [fault] = refused.value.faults
    assert fault.field == field
    assert needed in fault.needed


failures = st.builds(
    Failure, pilot_error_code=st.sampled_from([0, 1212, 1235, 1200, 1305, 1213]),
    exit_code=st.integers(0, 3), memory_mb=st.integers(1, 100_000), max_pss_mb=st.floats(0, 1e5),
    core_count=st.integers(1, 16), walltime_seconds=st.integers(1, 10**6),
    n_tries=st.integers(1, 9),
)  # fmt: skip
rules = st.lists(
    st.builds(
        rule, st.sampled_from(["payload", "pilot"]),
        st.sampled_from(["no_retry", "increase_memory", "increase_cpu_time", "reduce_input"]),
        code=st.sampled_from([1, 2, 1212, 1305]), active=st.booleans(),
    ),
    max_size=5,
)  # fmt: skip


@given(failures, rules)
def test_no_rule_ever_lowers_what_is_asked_for(
    failure: Failure, given_rules: list[RetryRule]
) -> None:
    advice = advise(failure, given_rules)
    assert advice.memory_mb >= failure.memory_mb
    assert (advice.memory_mb > failure.memory_mb) == failure.was_short_of_memory
    assert advice.walltime_seconds >= failure.walltime_seconds


@given(failures, rules)
def test_passive_rules_change_nothing(failure: Failure, given_rules: list[RetryRule]) -> None:
    active = [each for each in given_rules if each.rule.active]
    with_all, without = advise(failure, given_rules), advise(failure, active)
    assert (with_all.memory_mb, with_all.hopeless, with_all.because) == (
        without.memory_mb, without.hopeless, without.because)  # fmt: skip
