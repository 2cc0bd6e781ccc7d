"""Slots: threads that take jobs from the backlog, run them, and hand over their reports."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from culm.wire.error_codes import PilotError
from culm.wire.reports import JobReport, ReportState
from pilot.attempt import Attempt
from pilot.backlog import Backlog
from pilot.job import Kit, run_job
from pilot.lease import elapsed
from pilot.report import Reporter

log = logging.getLogger(__name__)


def start_slots(n_slots: int, backlog: Backlog, reporter: Reporter, kit: Kit) -> None:
    """Start the threads; they end when the backlog is closed and empty."""
    for number in range(n_slots):
        threading.Thread(
            target=_slot, args=(backlog, reporter, kit), name=f"slot-{number}", daemon=True
        ).start()


def _slot(backlog: Backlog, reporter: Reporter, kit: Kit) -> None:
    while (attempt := backlog.take()) is not None:
        started = elapsed()
        report = _report_of(attempt, kit)
        backlog.done(attempt, elapsed() - started)
        reporter.finish(attempt, report)


def _report_of(attempt: Attempt, kit: Kit) -> JobReport | None:
    try:
        return run_job(attempt, kit)
    except Exception as error:
        log.exception("an unexpected error outside a job")
        return replace(
            attempt.report(ReportState.FAILED, kit.node),
            pilot_error_code=int(PilotError.INTERNAL_PILOT_PROBLEM),
            pilot_error_diag=f"{type(error).__name__}: {error}"[:4000],
        )
