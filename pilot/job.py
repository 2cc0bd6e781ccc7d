"""One attempt from its directory to its final report."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from culm.wire.error_codes import PilotError, words
from culm.wire.reports import MAX_RESULT, MAX_TAIL, JobMetrics, JobReport, OutputFile, ReportState
from pilot.api import ServerApi
from pilot.attempt import Attempt, Place
from pilot.copy_tools import CopyTools
from pilot.errors import JobFailed, Stopped
from pilot.launch import Launcher
from pilot.lease import elapsed
from pilot.limits import Limits
from pilot.monitor import Monitor, Rhythm
from pilot.outcome import tail, verdict
from pilot.payload import Payload
from pilot.processes import Family
from pilot.sandboxes import Sandboxes
from pilot.saving import Savers
from pilot.stagein import stage_in, verify
from pilot.stageout import (
    Found,
    Left,
    find_outputs,
    small_json,
    stage_out,
    stage_out_log,
    user_metadata,
)
from pilot.user_secrets import secrets_in
from pilot.watch import Terms, watch
from pilot.workdir import JobDirectory, RunDirectory

log = logging.getLogger(__name__)

TAIL_OF_SUCCESS = 2000
_LONGEST_DIAG = 4000


@dataclass(frozen=True, slots=True)
class Kit:
    """What every job of this pilot works with. `announce` has an early report sent."""

    run: RunDirectory
    server: ServerApi
    tools: CopyTools
    sandboxes: Sandboxes
    family: Family
    node: str
    max_stdout_mb: float
    grace_seconds: float
    rhythm: Rhythm
    launcher: Launcher
    announce: Callable[[Attempt], None]


@dataclass(slots=True)
class _Course:
    """What is known of a job so far. The first error stays."""

    error: PilotError = PilotError.NONE
    diag: str = ""
    exit_code: int | None = None
    tail: str = ""
    lib_names: frozenset[str] = frozenset()
    found: list[Found] = field(default_factory=list)
    outputs: list[OutputFile] = field(default_factory=list)
    metadata: str | None = None
    result: str | None = None
    metrics: JobMetrics = field(default_factory=JobMetrics)

    def fail(self, code: PilotError, diag: str) -> None:
        if self.error == PilotError.NONE:
            self.error, self.diag = code, diag
        else:
            log.warning("a further error of the job: %s: %s", code.name, diag)

    def measured(self, **values: Any) -> None:
        self.metrics = replace(self.metrics, **values)


def run_job(attempt: Attempt, kit: Kit) -> JobReport | None:
    """Run one attempt; its final report, or None if it is not ours to report any more."""
    course = _Course()
    directory: JobDirectory | None = None
    try:
        attempt.go_on()
        verify(attempt.spec)
        directory = kit.run.job(attempt)
        _with_errors_noted(lambda: _main_course(attempt, directory, kit, course), course)
        _with_errors_noted(lambda: _log_course(attempt, directory, kit, course), course)
        attempt.may_write()
    except JobFailed as failure:
        course.fail(failure.code, failure.diag)
    except Stopped as stopped:
        if stopped.stop.silent:
            log.warning("job %s attempt %s: left alone: %s", *attempt.key, stopped.stop.diag)
            return None
        course.fail(stopped.stop.code, stopped.stop.diag)
    finally:
        if directory is not None:
            directory.remove()
    return _final(attempt, kit, course)


def _with_errors_noted(act: Callable[[], None], course: _Course) -> None:
    try:
        act()
    except JobFailed as failure:
        course.fail(failure.code, failure.diag)
    except Stopped as stopped:
        course.fail(stopped.stop.code, stopped.stop.diag)
        if stopped.stop.silent:
            raise
    except Exception as error:
        # A bug must cost one job, not the pilot and all its other jobs.
        log.exception("an unexpected error in a job")
        course.fail(PilotError.UNKNOWN_EXCEPTION, f"{type(error).__name__}: {error}")


def _main_course(attempt: Attempt, directory: JobDirectory, kit: Kit, course: _Course) -> None:
    started = elapsed()
    staged = stage_in(attempt.spec, directory.work, kit.tools, kit.sandboxes, attempt.go_on)
    course.lib_names = staged.lib_names
    course.measured(stage_in_seconds=elapsed() - started, input_mb=staged.input_bytes / 1e6)
    attempt.go_on()
    savers = Savers(attempt.spec, directory.work, kit.tools, attempt.may_write)
    # Fetched last, gone first: nothing that is made of the directory holds them.
    secrets = secrets_in(kit.server, attempt.spec.secrets_url, directory.work, attempt.go_on)
    with savers, secrets as private:
        _payload_course(attempt, directory, kit, course, private)
    course.metadata = user_metadata(directory.work)
    if attempt.spec.result_name is not None:
        course.result = small_json(directory.work, attempt.spec.result_name, MAX_RESULT)
    course.found = find_outputs(attempt.spec, directory.work)
    if course.error == PilotError.NONE and course.found:
        _output_course(attempt, directory, kit, course)


def _payload_course(
    attempt: Attempt,
    directory: JobDirectory,
    kit: Kit,
    course: _Course,
    private: frozenset[str],
) -> None:
    spec, work = attempt.spec, directory.work
    launch = kit.launcher.launch(spec, directory, attempt.mark, attempt.go_on)
    attempt.state = ReportState.RUNNING
    terms = Terms(
        Limits.of(spec, kit.max_stdout_mb),
        kit.grace_seconds,
        lambda monitor, wall: _sampled(attempt, kit, course, monitor, wall),
        kit.rhythm,
    )
    started = elapsed()
    with Payload(launch, kit.family) as payload:
        attempt.place = Place(work, payload.owner.leader, private)
        try:
            stop = watch(payload, attempt, terms, work)
        finally:
            attempt.place = None
        ending = payload.finish()
        course.tail = tail(*payload.last_output(MAX_TAIL), MAX_TAIL)
    course.exit_code = ending.exit_code
    course.measured(
        wall_seconds=elapsed() - started,
        cpu_seconds=ending.cpu_seconds,
        max_pss_mb=course.metrics.max_pss_mb or ending.max_rss_mb,
        read_mb=max(course.metrics.read_mb, ending.read_mb),
        write_mb=max(course.metrics.write_mb, ending.write_mb),
    )
    if ending.n_strays:
        log.warning("job %s attempt %s: %d stray processes killed", *attempt.key, ending.n_strays)
    if stop is not None:
        raise Stopped(stop)
    found = verdict(ending.exit_code, course.tail[-4000:])
    if found.code != PilotError.NONE:
        raise JobFailed(found.code, found.diag)


def _sampled(
    attempt: Attempt, kit: Kit, course: _Course, monitor: Monitor, wall_seconds: float
) -> None:
    first = attempt.metrics is None
    course.measured(
        max_pss_mb=monitor.max_memory_mb,
        wall_seconds=wall_seconds,
        read_mb=monitor.read_mb,
        write_mb=monitor.write_mb,
        work_dir_mb=monitor.work_dir_mb,
        leak_kb_per_second=monitor.trend.leak_kb_per_second,
    )
    attempt.metrics = course.metrics
    if first:
        # A payload that lives for a second is worth a report of its own: it runs.
        kit.announce(attempt)


def _output_course(attempt: Attempt, directory: JobDirectory, kit: Kit, course: _Course) -> None:
    attempt.state = ReportState.TRANSFERRING
    started = elapsed()
    course.outputs += stage_out(
        course.found,
        directory.beside("output.tgz"),
        kit.tools,
        lambda: attempt.go_on(finishing=True),
    )
    total = sum(output.size_bytes for output in course.outputs)
    course.measured(stage_out_seconds=elapsed() - started, output_mb=total / 1e6)


def _log_course(attempt: Attempt, directory: JobDirectory, kit: Kit, course: _Course) -> None:
    left = Left(directory, course.found, course.lib_names)
    course.outputs += stage_out_log(attempt.spec, left, kit.tools, attempt.may_write)


def _final(attempt: Attempt, kit: Kit, course: _Course) -> JobReport:
    good = course.error == PilotError.NONE
    log.info(
        "job %s attempt %s: %s %s", *attempt.key, "finished" if good else "failed", course.diag
    )
    report = attempt.report(ReportState.FINISHED if good else ReportState.FAILED, kit.node)
    return replace(
        report,
        exit_code=course.exit_code,
        pilot_error_code=int(course.error),
        pilot_error_diag=_printable(course.diag or ("" if good else words(course.error))),
        outputs=tuple(course.outputs),
        metrics=course.metrics,
        output_tail=course.tail[-TAIL_OF_SUCCESS:] if good else course.tail,
        user_metadata=course.metadata,
        result=course.result,
    )


def _printable(text: str) -> str:
    return text.replace("\0", " ")[:_LONGEST_DIAG]
