"""Pilots' reports, many in one transaction: judged one by one, written in bulk.

A final report makes its job `holding`; the collect stage settles it. An old attempt's, another
pilot's or an ended job's report is refused and noted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Float, bindparam, delete, func, select, update
from sqlmodel import Session

from culm.wire.reports import Instruction, JobMetrics, JobReport, ReportAnswer, ReportState
from tasks.lifecycles import JOB as MACHINE
from tasks.lifecycles import JobEvent
from tasks.queues import settings_of_text
from tasks.stages.job_requests import with_requests
from tasks.stages.settle import WRITTEN
from tasks.statuses import JobStatus
from tasks.store.bulk import ids_among, insert_rows, one_of
from tasks.store.moves import EachJobMove, Why, database_time, move_jobs
from tasks.store.prepared import Prepared, Values
from tasks.store.tables import FILE, JOB, JOB_FILE, QUEUE, QUEUE_SETTINGS, core
from tasks.tables import JobMetadata, RefusedReport
from tasks.tables.columns import db_now

_METADATA = core(JobMetadata)
FINAL_STATES = (ReportState.FINISHED, ReportState.FAILED)


@dataclass(frozen=True, slots=True)
class KnownJob:
    """What the books say of a job that a report is about."""

    id: int
    attempt_nr: int
    pilot_id: int | None
    status: str
    report_nr: int
    reported_state: str
    kill_reason: str
    queue_id: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a report: refuse it (a reason), take it, or only repeat the answer."""

    refusal: str = ""
    is_news: bool = True


def judge(report: JobReport, job: KnownJob | None, pilot_id: int) -> Verdict:
    """Whether a report is taken (reliability.md, I3 and fault 6).

    Late, repeated and overtaken reports of the right attempt are answered again and change
    nothing; a fuller final report may follow while its job is not settled yet.
    """
    stranger = _stranger(report, job, pilot_id)
    if stranger or job is None:
        return Verdict(stranger)
    if report.report_nr <= job.report_nr and job.report_nr:
        repeated = job.status not in MACHINE.final or job.reported_state == report.state
        return Verdict(is_news=False) if repeated else Verdict(f"job {job.id} is {job.status}")
    if job.status in MACHINE.final:
        return Verdict(f"job {job.id} is {job.status}")
    if job.status == JobStatus.HOLDING and report.state not in FINAL_STATES:
        return Verdict(is_news=False)
    return Verdict()


def _stranger(report: JobReport, job: KnownJob | None, pilot_id: int) -> str:
    if job is None:
        return "no such job"
    if job.pilot_id != pilot_id:
        return f"job {job.id} is not bound to pilot {pilot_id}"
    if job.attempt_nr != report.attempt_nr:
        return f"attempt {report.attempt_nr} is not this job's: its attempt is {job.attempt_nr}"
    return ""


@dataclass(slots=True)
class _Taken:
    """Reports that are news, by what they say."""

    heartbeats: list[tuple[JobReport, KnownJob]] = field(default_factory=list)
    finals: list[tuple[JobReport, KnownJob]] = field(default_factory=list)


def take_reports(
    session: Session,
    reports: Sequence[tuple[int, JobReport]],
    least_lease_seconds: float = 0.0,
) -> list[ReportAnswer]:
    """Take up reports, given as (pilot id, report); an answer for each, in order.

    The leases that they renew are those of the queue, but never shorter than said here.
    """
    known = _known(session, [report.job_id for _, report in reports])
    taken, refused, answers = _Taken(), [], []
    for pilot_id, report in reports:
        job = known.get(report.job_id)
        verdict = judge(report, job, pilot_id)
        if verdict.refusal or job is None:
            refused.append((pilot_id, report, verdict.refusal))
            answers.append(_answer(report, Instruction.FORGET, verdict.refusal))
            continue
        if verdict.is_news:
            final = report.state in FINAL_STATES
            (taken.finals if final else taken.heartbeats).append((report, job))
            known[report.job_id] = _after(job, report)
        answers.append(_answer(report, *_instruction(report, job)))
    _note_refused(session, refused)
    _take_heartbeats(session, taken.heartbeats, least_lease_seconds)
    _take_finals(session, taken.finals)
    return with_requests(session, answers, [job.id for _, job in taken.heartbeats])


def _answer(report: JobReport, instruction: Instruction, reason: str) -> ReportAnswer:
    return ReportAnswer(
        job_id=report.job_id, attempt_nr=report.attempt_nr, instruction=instruction, reason=reason
    )


def _instruction(report: JobReport, job: KnownJob) -> tuple[Instruction, str]:
    if job.kill_reason and report.state not in FINAL_STATES:
        return Instruction.KILL, job.kill_reason
    return Instruction.GO_ON, ""


def _after(job: KnownJob, report: JobReport) -> KnownJob:
    """The job as the next report of the same batch finds it."""
    final = report.state in FINAL_STATES
    return KnownJob(
        job.id, job.attempt_nr, job.pilot_id, JobStatus.HOLDING if final else job.status,
        report.report_nr, report.state if final else job.reported_state, job.kill_reason,
        job.queue_id,
    )  # fmt: skip


_KNOWN = Prepared(
    select(JOB.c.id, JOB.c.attempt_nr, JOB.c.pilot_id, JOB.c.status, JOB.c.report_nr,
           JOB.c.reported_state, JOB.c.kill_reason, JOB.c.queue_id)
    .where(ids_among(JOB.c.id))
    # What is judged must still be so when it is written: a watchdog may be ending the job.
    .order_by(JOB.c.id).with_for_update()
)  # fmt: skip


def _known(session: Session, job_ids: Sequence[int]) -> dict[int, KnownJob]:
    return {row[0]: KnownJob(*row) for row in _KNOWN.rows(session, ids=list(job_ids))}


def _note_refused(session: Session, refused: list[tuple[int, JobReport, str]]) -> None:
    if refused:
        insert_rows(
            session, RefusedReport, ("job_id", "attempt_nr", "pilot_id", "state", "reason"),
            [(r.job_id, r.attempt_nr, pilot, str(r.state), why) for pilot, r, why in refused],
            now=database_time(session),
        )  # fmt: skip


_HEARTBEAT = Prepared(
    update(JOB).where(JOB.c.id == bindparam("job"))
    .values(report_nr=bindparam("nr"), node=bindparam("host"), modified_at=db_now(),
            lease_expires_at=db_now(bindparam("lease", type_=Float)))
)  # fmt: skip
_SAID: dict[str, Any] = {
    "report_nr": bindparam("nr"), "node": bindparam("host"), "exit_code": bindparam("exit"),
    "reported_state": bindparam("state"), "pilot_error_code": bindparam("code"),
    "pilot_error_diag": bindparam("diag"), "lease_expires_at": None,
}  # fmt: skip
_FINAL = EachJobMove(JobEvent.REPORTED, **_SAID)
_FULLER_FINAL = Prepared(update(JOB).where(JOB.c.id == bindparam("job")).values(**_SAID))
_OUTPUTS = Prepared(
    select(JOB_FILE.c.job_id, JOB_FILE.c.file_id, FILE.c.lfn)
    .join(FILE, FILE.c.id == JOB_FILE.c.file_id)
    .where(ids_among(JOB_FILE.c.job_id), one_of(JOB_FILE.c.kind, WRITTEN))
)
_SIZES = Prepared(
    update(JOB_FILE)
    .where(JOB_FILE.c.job_id == bindparam("job"), JOB_FILE.c.file_id == bindparam("file"))
    .values(size_bytes=bindparam("size"), adler32=bindparam("sum"))
)
_OLD_METADATA = Prepared(delete(_METADATA).where(ids_among(_METADATA.c.job_id)))
_LEASES = Prepared(select(QUEUE.c.id, QUEUE.c.name, QUEUE_SETTINGS).where(ids_among(QUEUE.c.id)))


def _take_heartbeats(
    session: Session, news: list[tuple[JobReport, KnownJob]], least_lease: float
) -> None:
    if not news:
        return
    latest = {job.id: (report, job) for report, job in news}
    leases = _lease_seconds(session, {job.queue_id for _, job in latest.values()})
    _HEARTBEAT.change_each(session, [
        {"job": job.id, "nr": report.report_nr, "host": report.node,
         "lease": max(leases[job.queue_id], least_lease)} for report, job in latest.values()
    ])  # fmt: skip
    starting = [
        job.id
        for report, job in latest.values()
        if report.state == ReportState.STARTING and job.status == JobStatus.SENT
    ]
    running = [
        job.id
        for report, job in latest.values()
        if report.state != ReportState.STARTING
        and job.status in (JobStatus.SENT, JobStatus.STARTING)
    ]
    why = Why("pilot")
    move_jobs(session, starting, JobEvent.STARTED, why, started_at=db_now())
    move_jobs(
        session, running, JobEvent.RAN, why, started_at=func.coalesce(JOB.c.started_at, db_now())
    )


def _lease_seconds(session: Session, queue_ids: set[int]) -> dict[int, float]:
    rows = _LEASES.rows(session, ids=list(queue_ids))
    return {row[0]: settings_of_text(row[2], row[1]).lease_seconds for row in rows}


def _take_finals(session: Session, news: list[tuple[JobReport, KnownJob]]) -> None:
    if not news:
        return
    latest = {job.id: report for report, job in news}
    before = {job.id: job for _, job in reversed(news)}
    rows: dict[int, Values] = {
        r.job_id: {"nr": r.report_nr, "host": r.node, "exit": r.exit_code, "state": str(r.state),
                   "code": r.pilot_error_code, "diag": r.pilot_error_diag}
        for r in latest.values()
    }  # fmt: skip
    seen = {job_id: job.status for job_id, job in before.items()}
    moved = set(_FINAL.move(session, seen, rows, Why("pilot")))
    _FULLER_FINAL.change_each(
        session, [{**row, "job": job_id} for job_id, row in rows.items() if job_id not in moved]
    )
    _keep_outputs(session, list(latest.values()))
    again = [job_id for job_id, job in before.items() if job.reported_state]
    _keep_metadata(session, list(latest.values()), again)


def _keep_outputs(session: Session, reports: list[JobReport]) -> None:
    """Sizes and checksums to the attempt's files. A name that is not the job's is left out."""
    reported = {(r.job_id, f.lfn): f for r in reports for f in r.outputs}
    if not reported:
        return
    ids = list({job_id for job_id, _ in reported})
    rows = _OUTPUTS.rows(session, ids=ids)
    by_name = {(job_id, lfn): file_id for job_id, file_id, lfn in rows}
    _SIZES.change_each(session, [
        {"job": key[0], "file": by_name[key], "size": file.size_bytes, "sum": file.adler32}
        for key, file in reported.items() if key in by_name
    ])  # fmt: skip


def _keep_metadata(session: Session, reports: list[JobReport], again: list[int]) -> None:
    """What the jobs left; `again` are those that said something before."""
    some = [r for r in reports if r.metrics or r.output_tail or r.user_metadata or r.result]
    if not some:
        return
    if again:
        _OLD_METADATA.change(session, ids=again)
    insert_rows(
        session, JobMetadata, ("job_id", "metrics", "output_tail", "user_metadata", "result"),
        [(r.job_id, _json(r.metrics), r.output_tail, r.user_metadata, r.result)
         for r in some],
    )  # fmt: skip


def _json(metrics: JobMetrics | None) -> str | None:
    return None if metrics is None else msgspec.json.encode(metrics).decode()
