"""What Prefect costs the daemon: a shift, a batch, a piece of work, recorded and not.

python -m bench.flows_overhead [--pieces 500]

A Prefect server is started on a port of its own, and the stage does nothing but its transaction.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
from sqlmodel import Session

from culm.core.settings import Settings, load_settings
from flows.environment import prefect_environment, prepare
from flows.prefect_engine import PrefectEngine
from flows.recorder import Recorder, Unrecorded
from flows.shift import Hours, Shift
from flows.stage_agent import StageAgent
from tasks.stages.stage import Act, Outcome, Stage
from tasks.store import schema
from tasks.store.books import Books, wake
from tasks.store.topics import Topic
from tasks.store.wakeups import Waker

OWNER = "bench:1:ab"
BATCH = 16
N_FLOW_RUNS = 10
N_WAKE_UPS = 30


class Toy:
    """A stage that is ready `left` times and whose work is its own transaction only."""

    def __init__(self) -> None:
        self.left = 0
        self.next_id = 10_000_001
        self.started: list[float] = []

    def stage(self) -> Stage:
        """The stage."""
        return Stage("refine", (Topic.TASK_REGISTERED,), self._candidates, self._act)

    def _candidates(
        self, _session: Session, limit: int, ids: Sequence[int] | None
    ) -> list[tuple[int, str]]:
        ready = range(self.next_id, self.next_id + min(limit, self.left))
        return [(task_id, "user.alice.hello") for task_id in ids or ready]

    def _act(self, act: Act) -> Outcome:
        self.started.append(time.perf_counter())
        self.left -= 1
        self.next_id = max(self.next_id, act.task_id + 1)
        return Outcome(act.task_id, "moved")


async def main(n_pieces: int) -> dict[str, float]:
    """All numbers, in milliseconds."""
    with tempfile.TemporaryDirectory() as folder, prefect_server(Path(folder)) as settings:
        prepare(prefect_environment(settings))
        engine = PrefectEngine()
        found = {"import prefect": await milliseconds(engine.recorder)}
        recorder = await engine.recorder()
        with Books(settings.database_url) as books:
            schema.upgrade(books)
            found |= await flow_runs(engine)
            toy, waker = Toy(), Waker(books)
            agent = StageAgent(toy.stage(), books, waker, OWNER, batch_size=BATCH)
            plain = await pieces(agent, toy, Unrecorded(), n_pieces)

            async def recorded() -> None:
                found["piece, recorded"] = await pieces(agent, toy, recorder, n_pieces)
                found["wake-up to work, recorded"] = await wake_up(agent, toy, recorder)

            await engine.run("refine", "refine shift bench", recorded)
            found["piece, unrecorded"] = plain
            found["task run"] = found["piece, recorded"] - plain
            found["wake-up to work, unrecorded"] = await wake_up(agent, toy, Unrecorded())
            found["claim that finds nothing"] = await milliseconds(agent.take, 200)
            waker.close()
    return found


async def flow_runs(engine: PrefectEngine) -> dict[str, float]:
    """A flow run until its body begins, and all of it; medians."""
    begins, wholes = [], []
    for number in range(N_FLOW_RUNS + 1):
        started = time.perf_counter()

        async def body(started: float = started) -> None:
            begins.append(time.perf_counter() - started)

        await engine.run("refine", f"refine shift bench {number}", body)
        wholes.append(time.perf_counter() - started)
    # The first one pays for connections and caches.
    return {
        "flow run, until it begins": statistics.median(begins[1:]) * 1000,
        "flow run, whole": statistics.median(wholes[1:]) * 1000,
        "flow run, slowest": max(wholes[1:]) * 1000,
    }


async def pieces(agent: StageAgent, toy: Toy, recorder: Recorder, count: int) -> float:
    """Milliseconds a piece, claim of its batch and lease included."""
    toy.left = count
    shift = Shift(agent, recorder, asyncio.Semaphore(2), Hours(until_idle=True))
    started = time.perf_counter()
    tally = await shift.run()
    assert tally.pieces == count, tally
    return (time.perf_counter() - started) * 1000 / count


async def wake_up(agent: StageAgent, toy: Toy, recorder: Recorder) -> float:
    """Milliseconds from a commit that wakes the agent until its work begins; median."""
    shift = Shift(agent, recorder, asyncio.Semaphore(2), Hours(minutes=5))
    running, times = asyncio.create_task(shift.run()), []
    for _ in range(N_WAKE_UPS):
        await asyncio.sleep(0.05)
        toy.started.clear()
        toy.left = 1
        await asyncio.to_thread(_wake, agent.books)
        committed = time.perf_counter()
        while not toy.started:
            await asyncio.sleep(0.0005)
        times.append(toy.started[0] - committed)
    shift.over.set()
    await running
    return statistics.median(times) * 1000


def _wake(books: Books) -> None:
    with books.write() as session:
        wake(session, Topic.TASK_REGISTERED)


async def milliseconds(call: Callable[[], Awaitable[object]], count: int = 1) -> float:
    """How long a call takes, on average."""
    started = time.perf_counter()
    for _ in range(count):
        await call()
    return (time.perf_counter() - started) * 1000 / count


@contextmanager
def prefect_server(folder: Path) -> Iterator[Settings]:
    """Settings of an installation whose Prefect server is up."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    environment = {**os.environ, "CULM_DATA_DIR": str(folder), "CULM_PREFECT_PORT": str(port)}
    settings = load_settings(environment=environment)
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.prefect_server"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _answers(f"{settings.prefect_api_url}/health"):
            time.sleep(0.2)
        yield settings
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pieces", type=int, default=500)
    numbers = asyncio.run(main(parser.parse_args().pieces))
    sys.stdout.write(json.dumps({k: round(v, 2) for k, v in numbers.items()}, indent=2) + "\n")
