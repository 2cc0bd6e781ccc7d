"""The pilot as a whole: signs on, has work fetched, run and reported, ends in good order."""

from __future__ import annotations

import logging
import os
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, field

from culm.core.errors import CulmError, Unreachable
from culm.core.ids import new_key
from culm.wire.error_codes import PilotError
from culm.wire.job_spec import PilotSpec
from pilot import VERSION
from pilot.api import ServerApi
from pilot.backlog import Backlog, Room
from pilot.backoff import Backoff
from pilot.containers import Containers
from pilot.copy_tools import CopyTools
from pilot.errors import Stop
from pilot.fetch import Fetcher, Why
from pilot.isolation import Isolation
from pilot.job import Kit
from pilot.launch import Launcher
from pilot.lease import elapsed
from pilot.monitor import Rhythm
from pilot.processes import Family, become_subreaper
from pilot.recovery import clean_up
from pilot.report import Reporter
from pilot.sandboxes import Sandboxes
from pilot.settings import PilotSettings, node_cores, node_memory_mb
from pilot.signals import Bell, code_of
from pilot.slots import start_slots
from pilot.workdir import RunDirectory

log = logging.getLogger(__name__)


def run(settings: PilotSettings, token: str) -> int:
    """Be a pilot; the exit code: 0 in good order, 128 + n after signal n, else an error's."""
    settings.work_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    become_subreaper()
    with Bell() as bell:
        clean_up(settings.work_dir)
        with RunDirectory(settings.work_dir) as run_directory:
            return Agent(settings, ServerApi(settings.server, token), run_directory, bell).run()


@dataclass(slots=True)
class Agent:
    """One run of a pilot; its main thread waits for the bell and nothing else."""

    settings: PilotSettings
    server: ServerApi
    run_directory: RunDirectory
    bell: Bell
    node: str = field(default_factory=socket.gethostname)
    refusal: CulmError | None = None
    _launcher: Launcher = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        hidden = (settings.work_dir, *settings.hidden)
        self._launcher = Launcher(
            Isolation.of(settings.isolation, hidden),
            Containers(settings.images_dir),
            settings.images_dir,
        )

    def run(self) -> int:
        """Sign on, work, sign off; the exit code."""
        reporter = Reporter(self.server, self.node, self._refused, self.bell.ring)
        backlog = Backlog(self._room())
        start_slots(self.settings.slots, backlog, reporter, self._kit(reporter))
        try:
            return self._sessions(reporter, backlog)
        finally:
            backlog.close()
            reporter.close()
            self.server.close()

    def _sessions(self, reporter: Reporter, backlog: Backlog) -> int:
        """One session a token: the old one is worked off before a new one is asked for."""
        fetcher = Fetcher(self.server, self.settings, backlog, reporter)
        while self._signed_on(fetcher):
            self._session(fetcher, reporter)
            if fetcher.why != Why.TOKEN or self.refusal is not None or self.bell.signal:
                break
        return self._exit_code()

    def _signed_on(self, fetcher: Fetcher) -> bool:
        backoff, key = Backoff(), new_key()
        while not self.bell.signal:
            try:
                welcome = self.server.sign_on(self._spec(), key)
            except Unreachable as error:
                wait = backoff.failed()
                log.warning("server not reached, signing on again in %.1f s: %s", wait, error)
                self.bell.wait(wait)
                continue
            except CulmError as error:
                self.refusal = error
                return False
            log.info(
                "signed on as pilot %s at %s for queue %s",
                welcome.pilot_id,
                self.server.server,
                self.settings.queue,
            )
            fetcher.welcome(welcome)
            return True
        return False

    def _session(self, fetcher: Fetcher, reporter: Reporter) -> None:
        ended = threading.Event()

        def end() -> None:
            ended.set()
            self.bell.ring()

        threading.Thread(target=fetcher.run, args=(end,), name="fetcher", daemon=True).start()
        while not (ended.is_set() and reporter.is_settled()):
            self.bell.wait(5.0)
            if fetcher.error is not None:
                self.refusal = fetcher.error
            if self.bell.signal or self.refusal is not None:
                self._shut_down(fetcher, reporter)
                break
        with suppress(CulmError):
            self.server.sign_off()

    def _shut_down(self, fetcher: Fetcher, reporter: Reporter) -> None:
        """Stop all jobs and have them reported, as far as the server listens."""
        fetcher.stop()
        until = elapsed() + self.settings.drain_seconds
        log.warning("ending: %s", self._reason().diag)
        while elapsed() < until:
            for attempt in reporter.attempts():
                attempt.order(self._reason())
            if reporter.is_settled() or (self.refusal is not None and not reporter.attempts()):
                return
            self.bell.wait(0.5)

    def _reason(self) -> Stop:
        if self.bell.signal:
            number = self.bell.signal
            return Stop(code_of(number), f"the pilot was told to stop ({number.name})", late=True)
        return Stop(
            PilotError.COMMUNICATION_FAILURE,
            f"the pilot was refused: {self.refusal}",
            silent=True,
        )

    def _refused(self, error: CulmError) -> None:
        self.refusal = error
        self.bell.ring()

    def _exit_code(self) -> int:
        if self.refusal is not None:
            log.error("the server refused this pilot: %s (%s)", self.refusal, self.refusal.code)
            return self.refusal.exit_code
        return 128 + self.bell.signal if self.bell.signal else 0

    def _spec(self) -> PilotSpec:
        room = self._room()
        return PilotSpec(
            queue=self.settings.queue,
            host=self.node[:255],
            process_id=os.getpid(),
            version=VERSION,
            slots=room.slots,
            core_count=room.core_count,
            memory_mb=room.memory_mb,
            disk_mb=self.settings.disk_mb,
        )

    def _room(self) -> Room:
        return Room(
            self.settings.slots,
            self.settings.core_count or node_cores(),
            self.settings.memory_mb or node_memory_mb(),
        )

    def _kit(self, reporter: Reporter) -> Kit:
        return Kit(
            run=self.run_directory,
            server=self.server,
            tools=CopyTools(self.server),
            sandboxes=Sandboxes(self.settings.work_dir / "sandboxes", self.server),
            family=Family(),
            node=self.node[:255],
            max_stdout_mb=self.settings.max_stdout_mb,
            grace_seconds=self.settings.kill_grace_seconds,
            rhythm=Rhythm(self.settings.sample_seconds),
            launcher=self._launcher,
            announce=reporter.announce,
        )
