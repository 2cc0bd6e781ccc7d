"""Reports of all slots to the server: one thread, one call at a time, in batches.

Heartbeats that are nearly due go with others, final reports wait some milliseconds for company.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from culm.core.errors import CulmError, NotAllowed, NotAuthenticated, OurFault, Unreachable
from culm.wire.error_codes import PilotError
from culm.wire.reports import Instruction, JobReport, ReportAnswer, ReportState
from pilot.api import ServerApi
from pilot.attempt import Attempt
from pilot.back_channel import BackChannel
from pilot.backoff import Backoff
from pilot.errors import Stop
from pilot.lease import elapsed

log = logging.getLogger(__name__)

LINGER_SECONDS = 0.1
MAX_BATCH = 200
MAX_BATCH_CHARS = 4_000_000
_NEAR = 0.3
"""A heartbeat goes with others when less than this part of its period is left."""

Key = tuple[int, int]


@dataclass(slots=True)
class _Held:
    attempt: Attempt
    final: JobReport | None = None
    final_at: float = 0.0


class Reporter:
    """Reports about the attempts that this pilot holds, and what the server says to them."""

    def __init__(
        self,
        server: ServerApi,
        node: str,
        refused: Callable[[CulmError], None],
        settled: Callable[[], None],
    ) -> None:
        """`refused` is called when the token is no good; `settled` when nothing is held."""
        self._server, self._node = server, node
        self._back_channel = BackChannel(server)
        self._refused, self._settled = refused, settled
        self._changed = threading.Condition()
        self._held: dict[Key, _Held] = {}
        self._backoff = Backoff(most=15.0)
        self._not_before = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)
        self._thread.start()

    def hold(self, attempts: Iterable[Attempt]) -> None:
        """Keep these attempts' leases alive from now on."""
        with self._changed:
            self._held.update((attempt.key, _Held(attempt)) for attempt in attempts)
            self._changed.notify()

    def announce(self, attempt: Attempt) -> None:
        """Send a report on this attempt soon: its state has changed."""
        with self._changed:
            attempt.next_heartbeat = elapsed()
            self._changed.notify()

    def finish(self, attempt: Attempt, report: JobReport | None) -> None:
        """Send the final report until it is answered; None: hold the attempt no more."""
        with self._changed:
            if report is None:
                self._drop(attempt.key)
            elif attempt.key in self._held:
                self._held[attempt.key] = _Held(attempt, report, elapsed())
            self._changed.notify()

    def attempts(self) -> list[Attempt]:
        """The attempts that have not ended."""
        with self._changed:
            return [held.attempt for held in self._held.values() if held.final is None]

    def is_settled(self) -> bool:
        """Whether every attempt has ended and its final report was answered."""
        with self._changed:
            return not self._held

    def close(self) -> None:
        """Send no more; what is held is left to the end of its lease."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        try:
            while batch := self._next_batch():
                self._send(batch)
        except Exception as error:
            log.exception("an unexpected error while reporting")
            self._refused(OurFault(f"{type(error).__name__}: {error}"))

    def _next_batch(self) -> list[JobReport]:
        """The reports that are due, once there are some; empty when closed."""
        with self._changed:
            while not self._closed:
                wait = self._due(elapsed())
                if wait <= 0:
                    return self._collected(elapsed())
                # Short naps: the wait's clock stands still while the node is suspended.
                self._changed.wait(min(wait, 5.0))
            return []

    def _due(self, now: float) -> float:
        """Seconds until something is to be sent."""
        finals = [held.final_at for held in self._held.values() if held.final is not None]
        beats = [h.attempt.next_heartbeat for h in self._held.values() if h.final is None]
        due = min(beats, default=now + 60.0)
        if finals:
            alone = not beats or len(finals) >= MAX_BATCH
            due = min(due, now if alone else min(finals) + LINGER_SECONDS)
        return max(due, self._not_before) - now

    def _collected(self, now: float) -> list[JobReport]:
        batch: list[JobReport] = []
        n_chars = 0
        for held in self._held.values():
            report = held.final or self._heartbeat(held.attempt, now)
            if report is None:
                continue
            n_chars += len(report.user_metadata or "") + len(report.output_tail)
            n_chars += len(report.result or "")
            if batch and (n_chars > MAX_BATCH_CHARS or len(batch) >= MAX_BATCH):
                break
            batch.append(report)
        return batch

    def _heartbeat(self, attempt: Attempt, now: float) -> JobReport | None:
        period = attempt.heartbeat_seconds
        if attempt.next_heartbeat > now + period * _NEAR:
            return None
        attempt.next_heartbeat = now + period
        return attempt.report(attempt.state, self._node)

    def _send(self, batch: list[JobReport]) -> None:
        asked_at = elapsed()
        try:
            answers = self._server.report(batch).answers
        except Unreachable as error:
            self._postpone(error)
        except (NotAuthenticated, NotAllowed) as error:
            self._postpone(error)
            self._refused(error)
        except CulmError as error:
            self._isolate(batch, error)
        else:
            self._backoff.succeeded()
            self._take(batch, answers, asked_at)

    def _postpone(self, error: CulmError) -> None:
        wait = self._backoff.failed()
        log.warning("server not reached, reports are sent again in %.1f s: %s", wait, error)
        with self._changed:
            now = elapsed()
            self._not_before = now + wait
            for key, held in list(self._held.items()):
                held.attempt.next_heartbeat = min(held.attempt.next_heartbeat, self._not_before)
                if held.final is not None and held.attempt.lease.left(now) <= 0:
                    log.error(
                        "job %s attempt %s: its lease is over, its report was not heard", *key
                    )
                    self._drop(key)

    def _isolate(self, batch: list[JobReport], error: CulmError) -> None:
        """One report that the server cannot read must not keep others from being heard."""
        if len(batch) > 1:
            for report in batch:
                self._send([report])
            return
        log.error(
            "job %s attempt %s: report refused: %s", batch[0].job_id, batch[0].attempt_nr, error
        )
        with self._changed:
            if batch[0].state in {ReportState.FINISHED, ReportState.FAILED}:
                self._drop((batch[0].job_id, batch[0].attempt_nr))

    def _take(
        self, batch: list[JobReport], answers: Iterable[ReportAnswer], asked_at: float
    ) -> None:
        answered = {(answer.job_id, answer.attempt_nr): answer for answer in answers}
        unheard = False
        with self._changed:
            for report in batch:
                key = (report.job_id, report.attempt_nr)
                held, answer = self._held.get(key), answered.get(key)
                if answer is None:
                    unheard = True
                elif held is not None:
                    self._obey(key, held, report, answer, asked_at)
            self._not_before = elapsed() + self._backoff.failed() if unheard else 0.0

    def _obey(
        self, key: Key, held: _Held, report: JobReport, answer: ReportAnswer, asked_at: float
    ) -> None:
        if held.final is report:
            if answer.instruction == Instruction.FORGET:
                log.warning("job %s attempt %s: final report refused: %s", *key, answer.reason)
            self._drop(key)
        elif answer.instruction == Instruction.FORGET:
            held.attempt.order(
                Stop(
                    PilotError.FAILED_BY_SERVER,
                    answer.reason or "not ours",
                    silent=True,
                    gentle=False,
                )
            )
        else:
            held.attempt.lease.renew(asked_at)
            self._back_channel.take(held.attempt, answer.requests)
            if answer.instruction == Instruction.KILL:
                held.attempt.order(
                    Stop(PilotError.PANDA_KILL, answer.reason or "killed by the server")
                )

    def _drop(self, key: Key) -> None:
        self._held.pop(key, None)
        if not self._held:
            self._settled()
