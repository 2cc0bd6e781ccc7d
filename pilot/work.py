"""An answer to a request for work: the good jobs, and what to say about each bad one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from culm.core.errors import InvalidRequest
from culm.wire.codec import decode
from culm.wire.error_codes import PilotError
from culm.wire.job_spec import JobSpec
from culm.wire.reports import JobReport, ReportState
from pilot.lenient import known_only


@dataclass(frozen=True, slots=True)
class Work:
    """Jobs to run, reports on jobs that cannot be read, and whether to ask no more."""

    jobs: tuple[JobSpec, ...] = ()
    refusals: tuple[JobReport, ...] = ()
    sign_off: bool = False


def read_work(answer: Any) -> Work:
    """The work in a decoded JSON answer. One job that cannot be read spoils no other.

    Raises:
        InvalidRequest: the answer as a whole is not one.
    """
    if not isinstance(answer, Mapping) or not isinstance(answer.get("jobs", []), list):
        raise InvalidRequest("the server's answer holds no list of jobs")
    jobs: list[JobSpec] = []
    refusals: list[JobReport] = []
    for raw in answer.get("jobs", []):
        try:
            jobs.append(decode(JobSpec, known_only(JobSpec, raw), "job"))
        except InvalidRequest as error:
            refusals.extend(_refusal(raw, error))
    return Work(tuple(jobs), tuple(refusals), answer.get("sign_off") is True)


def _refusal(raw: Any, error: InvalidRequest) -> list[JobReport]:
    if not isinstance(raw, Mapping):
        return []
    job_id, attempt_nr = raw.get("job_id"), raw.get("attempt_nr")
    if not isinstance(job_id, int) or not isinstance(attempt_nr, int):
        return []
    return [
        JobReport(
            job_id=job_id,
            attempt_nr=attempt_nr,
            report_nr=1,
            state=ReportState.FAILED,
            pilot_error_code=PilotError.SETUP_FAILURE,
            pilot_error_diag=str(error)[:4000],
        )
    ]
