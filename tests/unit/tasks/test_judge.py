"""Which reports are taken (reliability.md, I3 and faults 6 and 8)."""

from __future__ import annotations

from typing import Any

import pytest

from culm.wire.reports import JobReport, ReportState
from tasks.stages.reports import KnownJob, Verdict, judge

NEWS, REPEATED = Verdict(), Verdict(is_news=False)


def a_job(status: str = "running", report_nr: int = 3, **changes: Any) -> KnownJob:
    values = {"id": 7, "attempt_nr": 2, "pilot_id": 5, "reported_state": "", "kill_reason": "",
              "queue_id": 1, "status": status, "report_nr": report_nr}  # fmt: skip
    return KnownJob(**(values | changes))


def says(state: str, nr: int, attempt_nr: int = 2) -> JobReport:
    return JobReport(job_id=7, attempt_nr=attempt_nr, report_nr=nr, state=ReportState(state))


@pytest.mark.parametrize(
    ("job", "report", "pilot", "verdict"),
    [
        (None, says("running", 1), 5, Verdict("no such job")),
        (a_job(), says("running", 4), 5, NEWS),
        (a_job(), says("running", 4), 6, Verdict("job 7 is not bound to pilot 6")),
        (a_job(pilot_id=None), says("running", 4), 5, Verdict("job 7 is not bound to pilot 5")),
        (a_job(), says("finished", 9, attempt_nr=1), 5,
         Verdict("attempt 1 is not this job's: its attempt is 2")),
        (a_job(), says("finished", 9, attempt_nr=3), 5,
         Verdict("attempt 3 is not this job's: its attempt is 2")),
        (a_job(), says("running", 3), 5, REPEATED),
        (a_job(), says("running", 2), 5, REPEATED),
        (a_job("sent", 0), says("finished", 1), 5, NEWS),
        (a_job("sent", 0), says("starting", 1), 5, NEWS),
        (a_job("holding", 4, reported_state="finished"), says("running", 3), 5, REPEATED),
        (a_job("holding", 4, reported_state="finished"), says("running", 5), 5, REPEATED),
        (a_job("holding", 4, reported_state="finished"), says("finished", 4), 5, REPEATED),
        (a_job("holding", 4, reported_state="finished"), says("finished", 5), 5, NEWS),
        (a_job("holding", 4, reported_state="failed"), says("finished", 5), 5, NEWS),
        (a_job("finished", 4, reported_state="finished"), says("finished", 4), 5, REPEATED),
        (a_job("finished", 4, reported_state="finished"), says("finished", 5), 5,
         Verdict("job 7 is finished")),
        (a_job("finished", 4, reported_state="finished"), says("failed", 5), 5,
         Verdict("job 7 is finished")),
        (a_job("failed", 3), says("running", 4), 5, Verdict("job 7 is failed")),
        (a_job("failed", 3), says("running", 3), 5, Verdict("job 7 is failed")),
        (a_job("failed", 3), says("finished", 4), 5, Verdict("job 7 is failed")),
        (a_job("closed", 0), says("starting", 1), 5, Verdict("job 7 is closed")),
        (a_job("cancelled", 0, pilot_id=None), says("starting", 1), 5,
         Verdict("job 7 is not bound to pilot 5")),
    ],
)  # fmt: skip
def test_judge(job: KnownJob | None, report: JobReport, pilot: int, verdict: Verdict) -> None:
    assert judge(report, job, pilot) == verdict
