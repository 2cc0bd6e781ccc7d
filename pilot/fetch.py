"""Asking for work: a thread that polls while there is room, and says why it stopped."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from enum import Enum

from culm.core.errors import (
    CulmError,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    OurFault,
    Unreachable,
)
from culm.core.ids import new_key
from culm.wire.job_spec import PilotWelcome, WorkRequest
from pilot.api import ServerApi
from pilot.attempt import Attempt
from pilot.backlog import Backlog, Room
from pilot.backoff import Backoff
from pilot.lease import elapsed
from pilot.report import Reporter
from pilot.settings import PilotSettings
from pilot.work import Work

log = logging.getLogger(__name__)

PARTLY_FREE_SECONDS = 10.0
"""So long a request waits while other jobs run: larger jobs may fit once these have ended."""
_TOKEN_MARGIN = 0.1
"""The part of a token's life that is kept for the jobs that run."""


class Why(Enum):
    """Why no more work is asked for."""

    TOLD = "told to stop"
    ONCE = "one answer with work was wanted"
    MAX_JOBS = "the number of jobs is reached"
    IDLE = "no work came"
    LIFETIME = "the lifetime is over"
    TOKEN = "the token is nearly too old"  # noqa: S105 - words, not a token
    SIGN_OFF = "the server wants no more of this pilot"
    REFUSED = "the server refused"


class Fetcher:
    """Gets jobs from the server into the backlog. Call `run` in a thread of its own."""

    def __init__(
        self, server: ServerApi, settings: PilotSettings, backlog: Backlog, reporter: Reporter
    ) -> None:
        self._server, self._settings = server, settings
        self._backlog, self._reporter = backlog, reporter
        self._ending = threading.Event()
        self._backoff = Backoff()
        self._started = elapsed()
        self._idle_since = self._started
        self._n_jobs = 0
        self._token_until = float("inf")
        self.why = Why.TOLD
        self.error: CulmError | None = None

    def stop(self) -> None:
        """Have it ask no more; an answer that is on its way is still taken."""
        self._ending.set()

    def welcome(self, welcome: PilotWelcome) -> None:
        """Take note of a new token's life."""
        life = welcome.token_expires_in_seconds * (1 - _TOKEN_MARGIN)
        self._token_until = elapsed() + life

    def run(self, ended: Callable[[], None]) -> None:
        """Ask until there is a reason not to, then call `ended`; see `why` and `error`."""
        try:
            while (why := self._reason_to_end()) is None:
                self._ask_once()
            self.why = why
        except (NotAuthenticated, NotAllowed) as error:
            self.why, self.error = Why.REFUSED, error
        except NotFound as error:
            log.warning("the server does not know this pilot: %s", error)
            self.why = Why.SIGN_OFF
        except CulmError as error:
            self.why, self.error = Why.REFUSED, error
        except _EndOfWork as end:
            self.why = end.why
        except Exception as error:
            # A pilot that neither asks nor ends would hold its node for nothing.
            log.exception("an unexpected error while asking for work")
            self.why, self.error = Why.REFUSED, OurFault(f"{type(error).__name__}: {error}")
        log.info("no more work is asked for: %s", self.why.value)
        ended()

    def _reason_to_end(self) -> Why | None:
        settings, now = self._settings, elapsed()
        if self._ending.is_set():
            return Why.TOLD
        if settings.max_jobs is not None and self._n_jobs >= settings.max_jobs:
            return Why.MAX_JOBS
        if self._left_seconds(now) <= 0:
            return Why.LIFETIME
        if now > self._token_until:
            return Why.TOKEN
        idle = settings.idle_exit_seconds
        # Time in which jobs run here is not idle.
        if not self._reporter.is_settled():
            self._idle_since = now
        return Why.IDLE if idle is not None and now - self._idle_since >= idle else None

    def _left_seconds(self, now: float) -> float:
        lifetime = self._settings.lifetime_seconds
        return float("inf") if lifetime is None else self._started + lifetime - now

    def _ask_once(self) -> None:
        room = self._backlog.room(0.5, ahead=self._settings.batch > self._settings.slots)
        if room is None:
            return
        request = self._request(room)
        work = self._asked(request)
        if work is None:
            return
        self._take(work)

    def _asked(self, request: WorkRequest) -> Work | None:
        """The answer to this request, which is repeated as it is until there is one."""
        while not self._ending.is_set():
            try:
                work = self._server.ask(request)
            except Unreachable as error:
                wait = self._backoff.failed()
                log.warning("server not reached, asked again in %.1f s: %s", wait, error)
                self._ending.wait(wait)
                continue
            self._backoff.succeeded()
            return work
        return None

    def _request(self, room: Room) -> WorkRequest:
        settings, now = self._settings, elapsed()
        n_jobs = max(settings.batch, room.slots)
        if settings.max_jobs is not None:
            n_jobs = min(n_jobs, settings.max_jobs - self._n_jobs)
        left = self._left_seconds(now)
        wait = min(settings.poll_seconds, max(left, 0.0), max(self._token_until - now, 0.0))
        if not self._backlog.is_whole(room):
            wait = min(wait, PARTLY_FREE_SECONDS)
        if settings.idle_exit_seconds is not None:
            wait = min(wait, max(0.0, self._idle_since + settings.idle_exit_seconds - now))
        return WorkRequest(
            request_key=new_key(),
            n_jobs=min(n_jobs, 1000),
            core_count=room.core_count,
            memory_mb=room.memory_mb,
            disk_mb=self._disk_mb(),
            minutes_left=None if left == float("inf") else max(left, 0.0) / 60,
            wait_seconds=min(wait, 60.0),
        )

    def _disk_mb(self) -> int:
        free = shutil.disk_usage(self._settings.work_dir).free // 1_000_000
        return min(free, self._settings.disk_mb) if self._settings.disk_mb else free

    def _take(self, work: Work) -> None:
        for refusal in work.refusals:
            log.error("job %s cannot be read: %s", refusal.job_id, refusal.pilot_error_diag)
        if work.refusals:
            self._server.report(list(work.refusals))
        if work.jobs:
            attempts = [Attempt(spec) for spec in work.jobs]
            self._n_jobs += len(attempts)
            self._idle_since = elapsed()
            self._reporter.hold(attempts)
            self._backlog.put(attempts)
        if work.sign_off:
            raise _EndOfWork(Why.SIGN_OFF)
        if work.jobs and self._settings.once:
            raise _EndOfWork(Why.ONCE)


class _EndOfWork(Exception):
    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why
