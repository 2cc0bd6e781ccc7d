"""The least that a pilot can be: fetch jobs, run each as a process, report, until none is left.

    python -m bench.floor_pilot --port PORT --batch 10 --slots 2

No files, no limits, no heartbeats, no logs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from typing import Any

from bench.http import Connection


async def work(port: int, batch: int, slots: int) -> None:
    """Run jobs of the floor until there are none."""
    async with Connection(port) as server:
        server.token = (await server.post("/v1/pilots", {}))["token"]
        request = {"n_jobs": batch, "request_key": ""}
        while jobs := (await server.post("/v1/pilots/me/work", request))["jobs"]:
            reports = await asyncio.to_thread(_run_all, jobs, slots)
            await server.post("/v1/pilots/me/reports", {"reports": reports})


def _run_all(jobs: list[dict[str, Any]], slots: int) -> list[dict[str, Any]]:
    waiting, reports = list(jobs), []
    running: dict[int, dict[str, Any]] = {}
    while waiting or running:
        while waiting and len(running) < slots:
            job = waiting.pop()
            argv = ["/bin/sh", "-c", job["command"]]
            running[os.posix_spawn(argv[0], argv, {"PATH": os.defpath})] = job
        process_id, status = os.wait()
        reports.append(_report(running.pop(process_id), os.waitstatus_to_exitcode(status)))
    return reports


def _report(job: dict[str, Any], exit_code: int) -> dict[str, Any]:
    return {
        "job_id": job["job_id"],
        "attempt_nr": job["attempt_nr"],
        "report_nr": 1,
        "state": "failed" if exit_code else "finished",
        "exit_code": exit_code,
    }


def main() -> None:
    """Work until there are no jobs."""
    parser = argparse.ArgumentParser(description="The floor's pilot.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--slots", type=int, default=2)
    wanted = parser.parse_args()
    asyncio.run(work(wanted.port, wanted.batch, wanted.slots))


if __name__ == "__main__":
    main()
