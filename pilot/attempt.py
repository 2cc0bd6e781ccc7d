"""One attempt at one job, as the pilot's threads share it: its lease, its state, its stop."""

from __future__ import annotations

import os
import secrets
import threading
from dataclasses import dataclass
from pathlib import Path

from culm.wire.error_codes import PilotError
from culm.wire.job_spec import JobSpec
from culm.wire.reports import JobMetrics, JobReport, ReportState
from pilot.errors import Stop, Stopped
from pilot.lease import Lease, elapsed

DEBUG_SECONDS = 5.0
"""How often the server is asked about a job that somebody looks at."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a payload runs: its directory, its first process, files there that are secrets."""

    work: Path
    leader: int
    private: frozenset[str]


class Attempt:
    """A job that this pilot holds. Every method may be called by any thread.

    `mark` is unique in the world: it names the job's directory and stands in the environment of
    every process of the payload, so that none of them escapes.
    """

    def __init__(self, spec: JobSpec) -> None:
        now = elapsed()
        self.spec = spec
        self.mark = f"{spec.job_id}.{spec.attempt_nr}.{secrets.token_hex(8)}"
        self.lease = Lease(spec.lease_seconds, now)
        self.next_heartbeat = now + spec.heartbeat_seconds
        self.state = ReportState.STARTING
        self.metrics: JobMetrics | None = None
        self.place: Place | None = None
        self.debug = False
        self.asked: set[int] = set()
        self._lock = threading.Lock()
        self._report_nr = 0
        self._stop: Stop | None = None
        self._bell: int | None = None

    @property
    def heartbeat_seconds(self) -> float:
        """The time between two reports that say nothing new."""
        wanted = self.spec.heartbeat_seconds
        return min(wanted, DEBUG_SECONDS) if self.debug else wanted

    @property
    def key(self) -> tuple[int, int]:
        """The job and the attempt: what the server knows it by."""
        return self.spec.job_id, self.spec.attempt_nr

    def order(self, stop: Stop) -> None:
        """Have it stopped. The first order counts, but one that forbids to write overrules."""
        with self._lock:
            if self._stop is None or (stop.silent and not self._stop.silent):
                self._stop = stop
            if self._bell is not None:
                os.write(self._bell, b"!")

    def listen(self, bell: int | None) -> None:
        """Have a byte written to this pipe whenever an order comes, and now if one is there."""
        with self._lock:
            self._bell = bell
            if bell is not None and self._stop is not None:
                os.write(bell, b"!")

    def stop(self) -> Stop | None:
        """The order to stop, if there is one; the end of the lease is one too."""
        with self._lock:
            silent = self._stop is not None and self._stop.silent
            if not silent and self.lease.left(elapsed()) <= 0:
                self._stop = Stop(
                    PilotError.COMMUNICATION_FAILURE, "its lease ran out", silent=True, gentle=False
                )
            return self._stop

    def go_on(self, *, finishing: bool = False) -> None:
        """Return if the job may go on; `finishing` when its payload has ended by itself.

        Raises:
            Stopped: there is an order to stop.
        """
        stop = self.stop()
        if stop is not None and not (finishing and stop.late):
            raise Stopped(stop)

    def may_write(self) -> None:
        """Return if the job is still ours, stopped or not.

        Raises:
            Stopped: the lease is over, or the server said to forget the job.
        """
        stop = self.stop()
        if stop is not None and stop.silent:
            raise Stopped(stop)

    def report(self, state: ReportState, node: str) -> JobReport:
        """The next report, with a number that only rises."""
        with self._lock:
            self._report_nr += 1
            return JobReport(
                job_id=self.spec.job_id,
                attempt_nr=self.spec.attempt_nr,
                report_nr=self._report_nr,
                state=state,
                metrics=self.metrics,
                node=node,
            )
