"""Reports of PanDA's pilots: their files put in place, their words taken into the books."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from starlette.concurrency import run_in_threadpool

from culm.wire.error_codes import PilotError
from culm.wire.job_spec import JobSpec
from culm.wire.reports import Instruction, JobReport, ReportState
from server.identity.actor import ANY_QUEUE, Actor
from server.panda.pilots.back_channel import command_of
from server.panda.pilots.landing import Fault, clear, take_outputs
from server.panda.pilots.told import Told, failed_with
from server.parts import Parts
from tasks.stages.guests import GuestReport, held_jobs, is_from, spec_of, take_guest_reports
from tasks.stages.reports import FINAL_STATES
from tasks.views.guest_jobs import guest_jobs, shared_endpoints

log = logging.getLogger(__name__)

KILL = "tobekilled"
NO_COMMAND = "NULL"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a pilot is answered: a command for it, and why it was refused ("": it was not)."""

    command: str = NO_COMMAND
    refusal: str = ""
    words: str = ""


async def take_updates(parts: Parts, actor: Actor, told: Sequence[Told]) -> list[Heard]:
    """Take up what pilots say of their jobs; an answer for each, in order.

    A refused one is told to stop its job: another attempt may be under way.
    """
    queues = None if ANY_QUEUE in actor.queues else frozenset(actor.queues)
    reports = []
    for each in told:
        guest = GuestReport(report=each.report, node=each.node, queues=queues, said=each.said)
        final = each.report.state in FINAL_STATES
        reports.append(await run_in_threadpool(_with_files, parts, guest) if final else guest)
    answers = await parts.writer.do(take_guest_reports, reports)
    heard = []
    for each, guest, answer in zip(told, reports, answers, strict=True):
        if answer.instruction == Instruction.FORGET:
            extra = {"job": answer.job_id, "attempt": answer.attempt_nr, "reason": answer.reason}
            log.warning("a report of PanDA's pilot is refused", extra=extra)
            heard.append(Heard(KILL, answer.reason))
            continue
        if guest.report.state in FINAL_STATES:
            await run_in_threadpool(_clear, parts, answer.job_id)
        kill = answer.instruction == Instruction.KILL
        command = KILL if kill else command_of(answer.requests) or NO_COMMAND
        heard.append(Heard(command, words=answer.reason or each.fault))
    return heard


def _with_files(parts: Parts, guest: GuestReport) -> GuestReport:
    """The report with the files that are at their places now; it fails if one is not good."""
    report = guest.report
    with parts.books.read() as session:
        held = held_jobs(session, [report.job_id]).get(report.job_id)
        mine = held is not None and held.is_leased and held.attempt_nr == report.attempt_nr
        if not mine or not is_from(held, guest):
            return replace(guest, report=replace(report, outputs=()))
        spec = spec_of(session, report.job_id)
        job = guest_jobs(session, [report.job_id])[report.job_id]
    if job.directory is None:
        return replace(guest, report=replace(report, outputs=()))
    landed = take_outputs(spec.job_id, spec.outputs, report.outputs, (job.url, job.directory))
    return replace(guest, report=_checked(replace(report, outputs=landed.files), spec,
                                          landed.faults))  # fmt: skip


def _checked(report: JobReport, spec: JobSpec, faults: Sequence[Fault]) -> JobReport:
    if faults:
        return failed_with(report, faults[0].code, "; ".join(each.words for each in faults))
    missing = {output.lfn for output in spec.outputs} - {file.lfn for file in report.outputs}
    if report.state == ReportState.FINISHED and missing:
        said = f"not in the pilot's report: {', '.join(sorted(missing))}"
        return failed_with(report, PilotError.MISSING_OUTPUT_FILE, said)
    return report


def _clear(parts: Parts, job_id: int) -> None:
    with parts.books.read() as session:
        directories = [directory for _, directory in shared_endpoints(session)]
    clear(job_id, directories)
