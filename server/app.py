"""The app: parts, routes and layers put together."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import partial
from types import FrameType
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from culm.core.clock import utc_now
from culm.core.errors import CulmError
from culm.core.settings import Settings, load_settings
from server import problems
from server.boundary import Boundary
from server.checkpoints import CLEAN_SECONDS, CheckpointStore
from server.group_commit import GroupWriter
from server.hot_paths import HotPaths
from server.identity.foreign import ForeignTokens
from server.identity.identification import Identification
from server.identity.keys import KeyRing
from server.identity.revocations import RELOAD_SECONDS, Revocations
from server.identity.tokens import TokenChecker
from server.logs import set_up_logging
from server.metrics import Metrics
from server.nouns import NOUNS, by_heat
from server.openapi import openapi_document
from server.panda.access import PandaWords
from server.panda.pilots.landing import drop_old as drop_old_landings
from server.parts import Parts
from server.sandboxes import SandboxStore
from server.storage import drop_old_drafts
from server.waiting import Waiters
from tasks.sealing import SEALING, SealingKeys
from tasks.stages.service import BEAT_SECONDS, beat
from tasks.store.accounts import name_of_account
from tasks.store.books import Books
from tasks.store.wakeups import Waker

log = logging.getLogger(__name__)

VERSION = "0.1.0"


def create_app(settings: Settings, books: Books, now: Callable[[], datetime] = utc_now) -> FastAPI:
    """The server over these books. Its threads start and end with the app's lifespan."""
    keys = KeyRing.open(settings.keys_dir)
    sealing = SealingKeys.open(settings.keys_dir / SEALING)
    revocations = Revocations()
    foreign = ForeignTokens(settings.auth_dir, partial(name_of_account, books))
    tokens = TokenChecker(keys, revocations, foreign)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        waker = Waker(books)
        parts = Parts(
            settings=settings,
            books=books,
            keys=keys,
            revocations=revocations,
            tokens=tokens,
            foreign=foreign,
            writer=GroupWriter(books, metrics.committed),
            waiters=Waiters(waker),
            sandboxes=SandboxStore(settings.sandbox_dir, books),
            checkpoints=CheckpointStore(settings.checkpoint_dir, books),
            sealing=sealing,
            metrics=metrics,
            now=now,
        )
        app.state.parts = parts
        metrics.watch_waiters(lambda: parts.waiters.count)
        async with _running(parts):
            yield
        await run_in_threadpool(parts.writer.close)
        await run_in_threadpool(waker.close)

    app = FastAPI(
        title="Culm",
        version=VERSION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    problems.install(app)
    # Side by side, not router in router: a request tries each pattern once, and those of the
    # pilots first. Matching was half of what a small request costs.
    app.router.routes.extend(route for noun in by_heat(NOUNS) for route in noun.router.routes)
    app.openapi = _once(app)  # type: ignore[method-assign]
    app.add_middleware(HotPaths, nouns=NOUNS)
    app.add_middleware(Identification, tokens=tokens, now=now)
    app.add_middleware(Boundary, metrics=metrics)
    app.add_middleware(PandaWords)
    return app


def app_from_settings() -> FastAPI:
    """The app for a process of its own, from the settings in force: what uvicorn's workers call."""
    settings = load_settings()
    set_up_logging(settings.log_level)
    return create_app(settings, Books(settings.database_url))


def _once(app: FastAPI) -> Callable[[], dict[str, object]]:
    def document() -> dict[str, object]:
        if app.openapi_schema is None:
            app.openapi_schema = openapi_document(app, NOUNS)
        return app.openapi_schema

    return document


@asynccontextmanager
async def _running(parts: Parts) -> AsyncIterator[None]:
    await run_in_threadpool(_prepare, parts)
    async with asyncio.TaskGroup() as timers:
        running = [
            timers.create_task(_every(RELOAD_SECONDS, parts.revocations.refresh, parts.books)),
            timers.create_task(_every(RELOAD_SECONDS, parts.foreign.load)),
            timers.create_task(_every(BEAT_SECONDS, _beat, parts.books)),
            timers.create_task(_every(CLEAN_SECONDS, parts.checkpoints.drop_old, parts.books)),
            timers.create_task(_every(CLEAN_SECONDS, drop_old_landings, parts.books)),
        ]
        with _told_of_the_end(parts.waiters.let_go):
            yield
        for timer in running:
            timer.cancel()


def _prepare(parts: Parts) -> None:
    settings = parts.settings
    for folder in (settings.storage_dir, settings.sandbox_dir, settings.checkpoint_dir):
        folder.mkdir(parents=True, exist_ok=True)
        dropped = drop_old_drafts(folder)
        if dropped:
            log.info("old drafts dropped", extra={"folder": str(folder), "count": dropped})
    parts.revocations.refresh(parts.books)
    parts.foreign.load()


async def _every(seconds: float, act: Callable[..., None], *arguments: Any) -> None:
    while True:
        try:
            await run_in_threadpool(act, *arguments)
        except CulmError as error:
            log.warning("timer failed", extra={"act": act.__name__, "reason": error.message})
        except Exception:
            # One bad turn must not end the server that it serves.
            log.exception("timer broke", extra={"act": act.__name__})
        await asyncio.sleep(seconds)


def _beat(books: Books) -> None:
    """Note that this server answers: leases expire only while one does."""
    with books.write() as session:
        beat(session, f"{socket.gethostname()}:{os.getpid()}")


@contextmanager
def _told_of_the_end(let_go: Callable[[], None]) -> Iterator[None]:
    """Call `let_go` in the event loop at SIGTERM or SIGINT, before uvicorn's own handler.

    uvicorn waits for open requests: a long poll would hold the whole server up for a minute.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handler(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(let_go)
        earlier = before[signal.Signals(number)]
        if callable(earlier):
            earlier(number, frame)

    ours: Sequence[signal.Signals] = [n for n, earlier in before.items() if callable(earlier)]
    for number in ours:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
