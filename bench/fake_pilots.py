"""Pilots that run nothing: they fetch jobs and report them finished as fast as they are let.

Several of them share one event loop and one process; the server has the other core.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.http import Connection

N_PILOTS = 16
PATIENCE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Desk:
    """Where pilots sign on, and as what."""

    port: int
    token: str = ""
    queue: str = "LOCAL"


@dataclass(slots=True)
class _Score:
    """What all pilots of one run share."""

    n_wanted: int
    n_done: int = 0
    n_asked: int = 0
    heard: float = 0.0
    outputs: list[str] = field(default_factory=list)

    def take(self, most: int) -> int:
        """How many jobs a pilot may ask for, so that all together do not take too many."""
        count = min(most, self.n_wanted - self.n_asked)
        self.n_asked += count
        return count


def jobs_per_second(desk: Desk, n_jobs: int, batch: int) -> float:
    """Jobs fetched and reported a second, `batch` jobs in each call.

    Raises:
        TimeoutError: no job came for half a minute before all were done.
    """
    return asyncio.run(_run(desk, n_jobs, batch))


async def _run(desk: Desk, n_jobs: int, batch: int) -> float:
    score = _Score(n_jobs, heard=time.perf_counter())
    tokens = [await _sign_on(desk, batch) for _ in range(N_PILOTS)]
    started = time.perf_counter()
    await asyncio.gather(*(_pilot(desk.port, token, batch, score) for token in tokens))
    seconds = time.perf_counter() - started
    # Afterwards, for whoever settles these jobs: nothing is executed here, nothing written.
    for url in score.outputs:
        _touch(Path(urlsplit(url).path))
    return score.n_done / seconds


async def _sign_on(desk: Desk, batch: int) -> str:
    spec = {
        "queue": desk.queue, "host": "bench", "process_id": 1, "version": "bench",
        "slots": batch, "core_count": batch, "memory_mb": 10**8, "disk_mb": 10**9,
    }  # fmt: skip
    async with Connection(desk.port, desk.token) as server:
        welcome = await server.post("/v1/pilots", spec)
    return str(welcome["token"])


async def _pilot(port: int, token: str, batch: int, score: _Score) -> None:
    request: dict[str, Any] = {
        "n_jobs": batch, "core_count": batch, "memory_mb": 10**8, "disk_mb": 10**9,
        "wait_seconds": 0,
    }  # fmt: skip
    async with Connection(port, token) as server:
        while score.n_done < score.n_wanted:
            wanted = score.take(batch)
            if not wanted:
                return
            request |= {"request_key": uuid.uuid4().hex, "n_jobs": wanted}
            jobs = (await server.post("/v1/pilots/me/work", request))["jobs"]
            score.n_asked -= wanted - len(jobs)
            if not jobs:
                _give_up_if_late(score)
                await asyncio.sleep(0.005)
                continue
            await server.post("/v1/pilots/me/reports", {"reports": [_final(job) for job in jobs]})
            score.outputs += [out["url"] for job in jobs for out in job.get("outputs", ())]
            score.n_done += len(jobs)
            score.heard = time.perf_counter()


def _give_up_if_late(score: _Score) -> None:
    if time.perf_counter() - score.heard > PATIENCE_SECONDS:
        raise TimeoutError(f"no job came after {score.n_done} of {score.n_wanted}")


def _final(job: dict[str, Any]) -> dict[str, Any]:
    outputs = [
        {"lfn": output["lfn"], "size_bytes": 0, "adler32": "00000001"}
        for output in job.get("outputs", ())
    ]
    return {
        "job_id": job["job_id"],
        "attempt_nr": job["attempt_nr"],
        "report_nr": 1,
        "state": "finished",
        "exit_code": 0,
        "outputs": outputs,
    }


def _touch(path: Path) -> None:
    try:
        path.touch()
    except FileNotFoundError:
        path.parent.mkdir(parents=True)
        path.touch()
