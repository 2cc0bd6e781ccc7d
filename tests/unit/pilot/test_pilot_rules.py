"""The pilot's pure rules: limits, verdicts, tails, environments, leases, back-off, lenience."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.core.errors import InvalidRequest
from culm.wire.codec import encode
from culm.wire.error_codes import KINDS, PilotError
from culm.wire.job_spec import JobInput, JobOutput, JobSpec
from culm.wire.reports import JobReport, ReportState
from pilot.attempt import Attempt
from pilot.backlog import Backlog, Room
from pilot.backoff import Backoff
from pilot.errors import JobFailed, Stop, Stopped
from pilot.lease import Lease
from pilot.limits import Limits, Usage, over_limit
from pilot.monitor import Rhythm
from pilot.outcome import tail, verdict
from pilot.payload import clean_environment
from pilot.stagein import verify
from pilot.work import read_work

LIMITS = Limits(memory_mb=100, wall_seconds=60, work_dir_mb=50, stdout_mb=5)


def a_job(**values: object) -> JobSpec:
    return JobSpec(
        **{
            "job_id": 1,
            "task_id": 2,
            "attempt_nr": 3,
            "task_name": "t",
            "command": "true",
            **values,
        }
    )


@pytest.mark.parametrize(("usage", "code"), [
    (Usage(memory_mb=101), PilotError.PAYLOAD_EXCEED_MAX_MEM),
    (Usage(wall_seconds=60), PilotError.REACHED_MAX_TIME),
    (Usage(work_dir_mb=51), PilotError.USER_DIR_TOO_LARGE),
    (Usage(stdout_mb=6), PilotError.STDOUT_TOO_BIG),
    (Usage(memory_mb=101, wall_seconds=99, stdout_mb=99), PilotError.PAYLOAD_EXCEED_MAX_MEM),
])  # fmt: skip
def test_usage_over_a_limit_names_its_code(usage, code):
    assert over_limit(usage, LIMITS).code == code


def test_usage_within_limits_goes_on():
    at_most = Usage(memory_mb=100, wall_seconds=59.9, work_dir_mb=50, stdout_mb=5)
    assert over_limit(at_most, LIMITS) is None


def test_only_memory_is_not_asked_gently():
    assert not over_limit(Usage(memory_mb=101), LIMITS).gentle
    assert over_limit(Usage(wall_seconds=61), LIMITS).gentle


@pytest.mark.parametrize(("exit_code", "last_words", "code"), [
    (0, "MemoryError", PilotError.NONE),
    (1, "", PilotError.PAYLOAD_EXECUTION_FAILURE),
    (1, "MemoryError\n", PilotError.PAYLOAD_OUT_OF_MEMORY),
    (-9, "", PilotError.KILL_SIGNAL),
    (137, "", PilotError.KILL_SIGNAL),
    (-15, "", PilotError.KILL_SIGNAL),
    (143, "", PilotError.KILL_SIGNAL),
    (-11, "", PilotError.SIGSEGV),
    (139, "", PilotError.SIGSEGV),
    (-7, "", PilotError.SIGBUS),
    (-24, "", PilotError.SIGXCPU),
    (-3, "", PilotError.SIGQUIT),
    (-50, "", PilotError.KILL_SIGNAL),
    (255, "", PilotError.PAYLOAD_EXECUTION_FAILURE),
])  # fmt: skip
def test_exit_status_means(exit_code, last_words, code):
    assert verdict(exit_code, last_words).code == code


@given(st.integers(-64, 255))
def test_every_failure_of_a_payload_spends_its_own_attempts(exit_code):
    found = verdict(exit_code, "")
    assert (found.code == PilotError.NONE) == (exit_code == 0)
    assert KINDS[found.code].spends_attempt


@given(st.binary(max_size=300), st.binary(max_size=300), st.integers(10, 200))
def test_tail_always_fits_a_report(stdout, stderr, longest):
    text = tail(stdout, stderr, longest)
    assert len(text) <= longest
    assert "\0" not in text
    text.encode("utf-8")


def test_tail_begins_at_a_line_and_ends_with_standard_error():
    assert tail(b"first\nsecond\nthird", b"", 12) == "third"
    assert tail(b"out\n", b"err\n", 100) == "out\nerr\n"


def test_environment_is_an_allow_list():
    own = {"PATH": "/bin", "CULM_TOKEN": "t", "AWS_KEY": "k", "LANG": "C", "PYTHONPATH": "x"}
    wanted = {"N": "1", "CULM_TOKEN": "u", "bad-name": "x", "NUL": "\0", "PILOT_ATTEMPT": "false"}
    assert clean_environment(own, wanted, Path("/w"), "1.1.ab") == {
        "PATH": "/bin", "LANG": "C", "HOME": "/w", "PWD": "/w", "TMPDIR": "/w", "N": "1",
        "PILOT_ATTEMPT": "1.1.ab", "CULM_PYTHON": sys.executable}  # fmt: skip


def test_lease_counts_from_the_question_not_the_answer():
    lease = Lease(100, now=0)
    assert lease.left(0) == pytest.approx(90)
    lease.renew(asked_at=50)
    lease.renew(asked_at=20)
    assert lease.left(60) == pytest.approx(80)


def test_back_off_doubles_to_its_most_and_starts_again():
    backoff = Backoff(first=1, most=5, chance=lambda: 0.0)
    assert [backoff.failed() for _ in range(4)] == [1, 2, 4, 5]
    backoff.succeeded()
    assert backoff.failed() == 1


def test_samples_grow_rarer_with_a_payloads_age():
    assert [Rhythm().next_sample(t) for t in (1, 10, 100, 10_000)] == [1, 1, 5, 10]


@pytest.mark.parametrize("spec", [
    a_job(command=" "),
    a_job(command="a\0b"),
    a_job(inputs=(JobInput(lfn="../x", stream="IN", urls=()),)),
    a_job(inputs=(JobInput(lfn="payload.stdout", stream="IN", urls=()),)),
    a_job(inputs=tuple(JobInput(lfn="a", stream="IN", urls=(url,)) for url in ("x:/1", "x:/2"))),
    a_job(outputs=(JobOutput(local_name="/etc/passwd", lfn="a", url="file:///a"),)),
    a_job(outputs=(JobOutput(local_name="a", lfn="a/b", url="file:///a"),)),
])  # fmt: skip
def test_job_with_a_bad_name_is_not_run(spec):
    with pytest.raises(JobFailed) as failure:
        verify(spec)
    assert failure.value.code == PilotError.SETUP_FAILURE


def test_first_order_counts_unless_a_later_one_forbids_to_write():
    attempt = Attempt(a_job())
    attempt.order(Stop(PilotError.PANDA_KILL, "first"))
    attempt.order(Stop(PilotError.SIGTERM, "second"))
    assert attempt.stop().diag == "first"
    attempt.may_write()
    attempt.order(Stop(PilotError.FAILED_BY_SERVER, "forget", silent=True))
    with pytest.raises(Stopped, match="forget"):
        attempt.may_write()


def test_job_that_ended_by_itself_brings_its_output_home_after_sigterm():
    attempt = Attempt(a_job())
    attempt.order(Stop(PilotError.SIGTERM, "told to stop", late=True))
    attempt.go_on(finishing=True)
    with pytest.raises(Stopped):
        attempt.go_on()


def test_lease_that_ran_out_is_an_order():
    attempt = Attempt(a_job(lease_seconds=0.0))
    with pytest.raises(Stopped, match="lease"):
        attempt.go_on()


def test_job_order_reaches_a_listener_that_comes_later():
    import os

    reader, writer = os.pipe()
    attempt = Attempt(a_job())
    attempt.order(Stop(PilotError.PANDA_KILL, "x"))
    attempt.listen(writer)
    assert os.read(reader, 10) == b"!"
    attempt.listen(None)
    os.close(reader)
    os.close(writer)


def test_backlog_gives_the_first_job_that_fits():
    backlog = Backlog(Room(slots=2, core_count=4, memory_mb=8000))
    wide, narrow = Attempt(a_job(core_count=4)), Attempt(a_job(core_count=1))
    first = Attempt(a_job(core_count=2))
    backlog.put([first, wide, narrow])
    assert [backlog.take(), backlog.take()] == [first, narrow]
    backlog.done(first, 1.0)
    backlog.done(narrow, 1.0)
    assert backlog.take() is wide


def test_backlog_runs_a_job_larger_than_the_node_alone():
    backlog = Backlog(Room(slots=1, core_count=1, memory_mb=100))
    big = Attempt(a_job(core_count=64, memory_mb=10**6))
    backlog.put([big])
    assert backlog.take() is big
    assert backlog.room(0.0, ahead=False) is None


def test_backlog_asks_ahead_only_after_short_jobs():
    whole = Room(slots=1, core_count=1, memory_mb=4000)
    backlog = Backlog(whole)
    attempts = [Attempt(a_job()) for _ in range(2)]
    backlog.put(attempts)
    first = backlog.take()
    assert backlog.room(0.0, ahead=True) is None
    backlog.done(first, seconds=0.01)
    backlog.take()
    assert backlog.room(0.0, ahead=False) is None
    assert backlog.room(0.0, ahead=True) == whole


def test_closed_backlog_gives_what_waits_then_nothing():
    backlog = Backlog(Room(1, 1, 4000))
    attempt = Attempt(a_job())
    backlog.put([attempt])
    backlog.close()
    assert [backlog.take(), backlog.take()] == [attempt, None]


def test_unknown_fields_are_left_out_at_any_depth():
    spec = a_job(inputs=(JobInput(lfn="a", stream="IN", urls=("file:///a",)),))
    raw = encode(spec) | {"new": 1}
    raw["inputs"][0]["newer"] = {"x": 1}
    assert read_work({"jobs": [raw], "newest": 1}).jobs == (spec,)


def test_job_that_cannot_be_read_is_refused_by_its_number():
    work = read_work({"jobs": [{"job_id": 7, "attempt_nr": 2}, "nonsense"], "sign_off": True})
    assert [(r.job_id, r.attempt_nr, r.state) for r in work.refusals] == [
        (7, 2, ReportState.FAILED)]  # fmt: skip
    assert work.sign_off
    with pytest.raises(InvalidRequest):
        read_work([1])


def test_reports_are_numbered_from_one():
    attempt = Attempt(a_job())
    numbers = [attempt.report(ReportState.RUNNING, "node") for _ in range(3)]
    assert [report.report_nr for report in numbers] == [1, 2, 3]
    assert isinstance(numbers[0], JobReport)


def test_backlog_asks_ahead_while_two_short_jobs_a_slot_are_in_hand():
    whole = Room(2, 2, 8000)
    backlog = Backlog(whole)
    backlog.put([Attempt(a_job(core_count=1, memory_mb=100)) for _ in range(6)])
    short = backlog.take()
    assert short is not None
    backlog.done(short, 0.1)
    assert backlog.room(0.0, ahead=True) is None
    backlog.take()
    assert backlog.room(0.0, ahead=True) == Room(1, 1, 7900)
    assert backlog.room(0.0, ahead=False) is None
