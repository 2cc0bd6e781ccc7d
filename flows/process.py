"""The process of `culm daemon`: signals, logging, the books, and a clean end."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from culm.core.settings import Settings
from flows.agent import Agent
from flows.daemon import Daemon
from flows.desk import Desk
from flows.environment import api_url, prefect_environment, prepare
from flows.pictures import Pictures
from flows.prefect_engine import PrefectEngine
from flows.probe import HealthProbe
from flows.roster import NAME as WATCHDOGS
from flows.roster import Roster
from flows.shift import Hours
from flows.stage_agent import StageAgent
from flows.table import all_rows
from flows.workplace import Workplace, open_workplace
from tasks.stages import STAGES, workflow
from tasks.store import schema

log = logging.getLogger(__name__)

LEAVE_SECONDS = 5.0
QUIET_LOGGERS = {
    "alembic": logging.WARNING,
    "apscheduler": logging.ERROR,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a daemon was asked to do."""

    names: Sequence[str]
    with_prefect: bool = True
    hours: Hours = field(default_factory=Hours)
    once: bool = False
    wait_for_prefect_seconds: float = 0.0


def run_process(settings: Settings, orders: Orders) -> None:
    """Work as ordered until that is done or a signal ends it.

    The event loop runs in a thread of its own and signals are handled in the main one: there,
    Prefect would put its own SIGTERM handler in the place of ours at each flow run, and raise
    in the middle of whatever runs.
    """
    _log_to_stderr(settings.log_level)
    prepare(prefect_environment(settings))
    signals, result = Signals(), Future[None]()
    signal.signal(signal.SIGTERM, signals.stop)
    signal.signal(signal.SIGINT, signals.stop)
    work = _reported(result, _work(settings, orders, signals))
    # A daemon thread: once the work is over, what Prefect still tries to send is not waited for.
    threading.Thread(target=asyncio.run, args=(work,), name="daemon", daemon=True).start()
    while not wait([result], timeout=1.0).done:
        continue
    _leave_soon(0 if result.exception() is None else 1)
    result.result()


class Signals:
    """Hands signals from the main thread to the daemon in its own."""

    def __init__(self) -> None:
        self._came = False
        self._daemon: tuple[asyncio.AbstractEventLoop, Daemon] | None = None

    def attach(self, daemon: Daemon) -> None:
        """From now on a signal stops this daemon; one that came before does too."""
        self._daemon = (asyncio.get_running_loop(), daemon)
        if self._came:
            daemon.stop()

    def stop(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal. The second one ends the process: leases run out by themselves."""
        if self._came:
            os._exit(128 + number)
        self._came = True
        if self._daemon is not None:
            loop, daemon = self._daemon
            loop.call_soon_threadsafe(daemon.stop)


async def _reported(result: Future[None], work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except BaseException as error:
        result.set_exception(error)
    else:
        result.set_result(None)


async def _work(settings: Settings, orders: Orders, signals: Signals) -> None:
    place = open_workplace(settings)
    probe = HealthProbe(api_url())
    try:
        schema.check(place.books)
        engine = PrefectEngine() if orders.with_prefect else None
        desk = Desk(engine, probe, where=probe.api_url)
        beside = []
        if engine is not None and workflow.STAGE.name in orders.names:
            beside.append(Pictures(place, engine.draw, lambda: desk.recording).run)
        rows = [row for row in all_rows() if orders.with_prefect or not row.of_prefect]
        daemon = Daemon(
            _agents(place, orders), desk, place.owner, place.at_once, orders.hours, rows,
            beside=beside,
        )  # fmt: skip
        signals.attach(daemon)
        await desk.wait(orders.wait_for_prefect_seconds, daemon.stopping)
        if orders.once:
            log.info("nothing is left to do: %s", await daemon.run_once())
        else:
            await daemon.run()
            log.info("off duty")
    finally:
        await probe.close()
        place.close()


def _agents(place: Workplace, orders: Orders) -> list[Agent[Any]]:
    stages: list[Agent[Any]] = [
        StageAgent(STAGES[name], place.books, place.waker, place.owner)
        for name in orders.names
        if name != WATCHDOGS
    ]
    return [*stages, Roster(place.books, place.owner)] if WATCHDOGS in orders.names else stages


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr, level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Prefect is sent lines from INFO up: the console's own limit is at its handler.
    logging.getLogger().handlers[0].setLevel(level)
    for name, least in QUIET_LOGGERS.items():
        logging.getLogger(name).setLevel(least)
    # Prefect says with every failed call what the desk says once.
    logging.getLogger("prefect").propagate = False
    logging.raiseExceptions = False


def _leave_soon(code: int) -> None:
    """Bound the exit: Prefect's threads would try for minutes to reach a server that is away."""
    if "prefect" in sys.modules:
        sys.stderr.flush()
        timer = threading.Timer(LEAVE_SECONDS, os._exit, args=(code,))
        timer.daemon = True
        timer.start()
