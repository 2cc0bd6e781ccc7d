"""What this machine can do at most: processes a second, durable rows a second.

python -m bench.limits
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

N_SPAWNS = 2000
N_ROWS = 100_000
COLUMNS = (
    "id, task_id, attempt_nr, status, queue_id, share_name, priority, core_count, memory_mb, "
    "disk_mb, walltime_seconds, sequence_nr, created_at, modified_at"
)
TABLE = (
    "CREATE TABLE job (id BIGINT PRIMARY KEY, task_id BIGINT, attempt_nr INTEGER, "
    "status VARCHAR(16), queue_id INTEGER, share_name VARCHAR(64), priority INTEGER, "
    "core_count INTEGER, memory_mb INTEGER, disk_mb BIGINT, walltime_seconds INTEGER, "
    "sequence_nr BIGINT, created_at VARCHAR(32), modified_at VARCHAR(32))"
)
INDEXES = (
    "CREATE INDEX job_of_task ON job (task_id, id)",
    "CREATE INDEX job_waiting ON job (queue_id, priority DESC, id) WHERE status = 'activated'",
)


def spawns_per_second(count: int = N_SPAWNS) -> float:
    """Processes that can be started and waited for, one after another."""
    started = time.perf_counter()
    for _ in range(count):
        os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)
    return count / (time.perf_counter() - started)


def sqlite_rows_per_second(count: int = N_ROWS) -> float:
    """Rows of a job table, two indexes, durably written in one transaction."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "rows.db", isolation_level=None)
        for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", TABLE):
            connection.execute(statement)
        for statement in INDEXES:
            connection.execute(statement)
        marks = ", ".join("?" * len(COLUMNS.split(",")))
        started = time.perf_counter()
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(f"INSERT INTO job ({COLUMNS}) VALUES ({marks})", _rows(count))
        connection.execute("COMMIT")
        seconds = time.perf_counter() - started
        connection.close()
    return count / seconds


def postgresql_rows_per_second(url: str, count: int = N_ROWS) -> float:
    """The same rows by COPY into a table of a schema that is dropped afterwards."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS culm_limits CASCADE")
        connection.execute("CREATE SCHEMA culm_limits")
        connection.execute("SET search_path TO culm_limits")
        for statement in (TABLE, *INDEXES):
            connection.execute(statement.encode())
        started = time.perf_counter()
        with (
            connection.transaction(),
            connection.cursor() as cursor,
            cursor.copy(f"COPY job ({COLUMNS}) FROM STDIN".encode()) as copy,
        ):
            for row in _rows(count):
                copy.write_row(row)
        seconds = time.perf_counter() - started
        connection.execute("DROP SCHEMA culm_limits CASCADE")
    return count / seconds


def commits_per_second(count: int = 300) -> float:
    """Durable transactions of one row, one after another, on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        connection = sqlite3.connect(Path(folder) / "commits.db", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "CREATE TABLE t (i INTEGER)",
        ):
            connection.execute(statement)
        started = time.perf_counter()
        for number in range(count):
            connection.execute("INSERT INTO t VALUES (?)", (number,))
        seconds = time.perf_counter() - started
        connection.close()
    return count / seconds


def _rows(count: int) -> Iterator[tuple[object, ...]]:
    now = "2026-01-01 00:00:00.000000"
    for i in range(1, count + 1):
        yield (
            i, 10_000_001, 1, "activated", 1, "default", 1000, 1, 2000, 10_000, 86_400, i, now, now,
        )  # fmt: skip


def main() -> None:
    """Print the limits that need no server."""
    print(f"posix_spawn            {spawns_per_second():10,.0f} /s")
    print(f"commits on SQLite      {commits_per_second():10,.0f} /s")
    print(f"bulk rows on SQLite    {sqlite_rows_per_second():10,.0f} /s")


if __name__ == "__main__":
    main()
