"""The floor: the least that can serve pilots' HTTP calls from a durable SQLite queue.

    python -m bench.floor --database FILE --port PORT

It speaks the pilots' part of our API (sign on, work, reports) with the same JSON, the same
durability (WAL, synchronous FULL, one commit for the requests that arrive together) and the same
HTTP library. It has no identity, no rules, no history, no files, no retries: what ours costs
above it is the price of those. Two calls are for the benchmark alone: `POST /fill` makes jobs,
`GET /left` counts those that have not ended.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

Reply = bytes
Action = Callable[[sqlite3.Connection], Reply]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[dict[str, Any]]]

SCHEMA = """
CREATE TABLE IF NOT EXISTS job (
  id INTEGER PRIMARY KEY, status TEXT NOT NULL, attempt_nr INTEGER NOT NULL, pilot_id INTEGER,
  priority INTEGER NOT NULL, lease_until REAL, exit_code INTEGER, command TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS job_waiting ON job (priority DESC, id) WHERE status = 'activated';
CREATE INDEX IF NOT EXISTS job_unfinished ON job (id) WHERE status <> 'finished';
"""
FILL = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
INSERT INTO job (status, attempt_nr, priority, command) SELECT 'activated', 0, 1000, 'true' FROM n
"""
CLAIM = """
UPDATE job SET status = 'sent', attempt_nr = attempt_nr + 1, pilot_id = ?,
  lease_until = unixepoch('subsec') + 300
WHERE id IN (SELECT id FROM job WHERE status = 'activated' ORDER BY priority DESC, id LIMIT ?)
RETURNING id, attempt_nr, command
"""
REPORT = "UPDATE job SET status = ?, exit_code = ? WHERE id = ? AND attempt_nr = ? AND pilot_id = ?"
LEFT = "SELECT count(*) FROM job WHERE status <> 'finished'"


class Writer:
    """One connection in one thread; actions that arrive together share a commit."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        self.connection.executescript(SCHEMA)
        self.waiting: list[tuple[Action, asyncio.Future[Reply]]] = []
        self.busy = False

    async def do(self, action: Action) -> Reply:
        """The action's reply, after its commit."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Reply] = loop.create_future()
        self.waiting.append((action, done))
        if not self.busy:
            self.busy = True
            loop.create_task(self._drain())  # noqa: RUF006  # it ends by itself
        return await done

    async def _drain(self) -> None:
        while self.waiting:
            batch, self.waiting = self.waiting, []
            replies = await asyncio.to_thread(self._commit, [action for action, _ in batch])
            for (_, done), reply in zip(batch, replies, strict=True):
                done.set_result(reply)
        self.busy = False

    def _commit(self, actions: list[Action]) -> list[Reply]:
        self.connection.execute("BEGIN IMMEDIATE")
        replies = [action(self.connection) for action in actions]
        self.connection.execute("COMMIT")
        return replies


def fill(count: int) -> Action:
    """Make jobs that are ready to run."""

    def act(connection: sqlite3.Connection) -> Reply:
        connection.execute(FILL, (count,))
        return b"{}"

    return act


def left(connection: sqlite3.Connection) -> Reply:
    """How many jobs have not ended."""
    return msgspec.json.encode({"left": connection.execute(LEFT).fetchone()[0]})


def work(pilot_id: int, count: int) -> Action:
    """A WorkAnswer for a pilot."""

    def act(connection: sqlite3.Connection) -> Reply:
        rows = connection.execute(CLAIM, (pilot_id, count)).fetchall()
        jobs = [
            {"job_id": i, "task_id": 1, "attempt_nr": n, "task_name": "floor", "command": c}
            for i, n, c in rows
        ]
        return msgspec.json.encode({"jobs": jobs, "sign_off": False})

    return act


def reports(pilot_id: int, batch: list[dict[str, Any]]) -> Action:
    """ReportAnswers for a batch."""
    rows = [
        (one["state"], one.get("exit_code"), one["job_id"], one["attempt_nr"], pilot_id)
        for one in batch
    ]

    def act(connection: sqlite3.Connection) -> Reply:
        connection.executemany(REPORT, rows)
        answers = [
            {"job_id": job, "attempt_nr": attempt, "instruction": "go_on"}
            for _, _, job, attempt, _ in rows
        ]
        return msgspec.json.encode({"answers": answers})

    return act


class App:
    """The whole service as one ASGI application."""

    def __init__(self, path: Path) -> None:
        self.writer = Writer(path)
        self.n_pilots = 0

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        body = await _body(receive)
        reply = await self._answer(scope["path"], body, dict(scope["headers"]))
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": reply})

    async def _answer(self, path: str, body: bytes, headers: dict[bytes, bytes]) -> Reply:
        if path == "/v1/health":
            return b'{"status":"ok"}'
        if path == "/v1/pilots":
            return self._welcome()
        if path == "/left":
            return await self.writer.do(left)
        value = msgspec.json.decode(body)
        if path == "/fill":
            return await self.writer.do(fill(value["n_jobs"]))
        pilot_id = int(headers[b"authorization"].removeprefix(b"Bearer "))
        if path == "/v1/pilots/me/work":
            return await self.writer.do(work(pilot_id, value["n_jobs"]))
        return await self.writer.do(reports(pilot_id, value["reports"]))

    def _welcome(self) -> Reply:
        self.n_pilots += 1
        return msgspec.json.encode({"pilot_id": self.n_pilots, "token": str(self.n_pilots)})


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description="The floor of the benchmarks.")
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    wanted = parser.parse_args()
    app: Any = App(wanted.database)
    uvicorn.run(app, host="127.0.0.1", port=wanted.port, log_level="error", lifespan="off")


if __name__ == "__main__":
    main()
