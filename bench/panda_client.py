"""How long the server takes for what PanDA's client asks: prun's calls, and pbook's list.

    python -m bench.panda_client [--tasks 100000] [--calls 100]

A server process on SQLite with so many tasks of the user in its books, one connection.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import io
import statistics
import tarfile
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from bench.http import Connection
from bench.ours import installation
from culm.wire.task_spec import TaskSpec
from tasks.stages.bulk_submit import Order, make_user, submit_many
from tasks.store.books import Books

AT_ONCE = 5000
LISTED = 1000
BOUNDARY = "culm"
"""Not in any of the files."""


async def measure(port: int, token: str, user: str, n_calls: int) -> dict[str, list[float]]:
    """Seconds of each call, by what it is."""
    found: dict[str, list[float]] = {}
    async with Connection(port, token) as line:
        for number in range(n_calls):
            archive = _archive(number)
            crc, name = int.from_bytes(archive[-8:-4], "little"), f"jobO.{number}.tar.gz"
            content = {"file_size": len(archive), "checksum": crc}
            task = {"task_parameters": _parameters(user, number, name), "parent_tid": None}
            for what, call in (
                (
                    "sandbox: is it there?",
                    partial(line.post, _FILES + "validate_cache_file", content),
                ),
                ("sandbox: upload", partial(_upload, line, name, archive)),
                ("submit", partial(line.post, "/api/v1/task/submit", task)),
            ):
                await _timed(found, what, call)
        path = f"/api/v1/task/get_tasks_detailed_info_since?n_tasks={LISTED}"
        for _ in range(max(3, n_calls // 10)):
            await _timed(found, f"list {LISTED} tasks", partial(line.get, path))
    return found


_FILES = "/api/v1/file_server/"


async def _timed(
    found: dict[str, list[float]], what: str, call: Callable[[], Awaitable[Any]]
) -> None:
    started = time.perf_counter()
    answer = await call()
    found.setdefault(what, []).append(time.perf_counter() - started)
    if not answer["success"]:
        raise RuntimeError(f"{what}: {answer['message']}")


async def _upload(line: Connection, name: str, archive: bytes) -> Any:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    body = head.encode() + archive + f"\r\n--{BOUNDARY}--\r\n".encode()
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return await line.call("POST", _FILES + "upload_cache_file", body, kind=kind)


def _archive(number: int) -> bytes:
    raw, text = io.BytesIO(), f"print({number})\n".encode()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        member = tarfile.TarInfo("hello.py")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return gzip.compress(raw.getvalue())


def _parameters(user: str, number: int, archive: str) -> dict[str, Any]:
    name = f"user.{user}.bench.{number}"
    lfn = f"user.{user}.$JEDITASKID._${{SN/P}}.out.txt"
    return {
        "taskName": f"{name}/", "uniqueTaskName": True, "vo": "atlas", "noInput": True,
        "processingType": "panda-client-2.2.0-jedi-run", "prodSourceLabel": "user",
        "nEvents": 2, "nEventsPerJob": 1, "nMaxFilesPerJob": 200,
        "jobParameters": [
            {"type": "constant", "value": '-j "" --sourceURL ${SURL}'},
            {"type": "constant", "value": f"-a {archive}"},
            {"type": "template", "value": lfn, "param_type": "output",
             "dataset": f"{name}_out.txt/", "hidden": True},
            {"type": "constant", "value": f"-o \"{{'out.txt': '{lfn}'}}\""},
            {"type": "constant", "value": '-p "', "padding": False},
            {"type": "constant", "value": "python%20hello.py%20%3E%20out.txt", "padding": False},
            {"type": "constant", "value": '"'},
        ],
    }  # fmt: skip


def _fill(books: Books, user: str, n_tasks: int) -> None:
    """So many tasks of the user, as just submitted."""
    for start in range(0, n_tasks, AT_ONCE):
        names = range(start, min(start + AT_ONCE, n_tasks))
        orders = [
            Order(spec=TaskSpec(name=f"user.{user}.old.{n}", command="true"), key=f"old.{n}")
            for n in names
        ]
        with books.write() as session:
            make_user(session, user)
            submit_many(session, orders, user)


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--calls", type=int, default=100)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="culm-bench-") as name,
        installation(Path(name), None) as ours,
    ):
        with Books(ours.settings.database_url) as books:
            _fill(books, ours.user, options.tasks)
        token = (ours.settings.data_dir / "tokens" / "user.token").read_text()
        port = ours.settings.server_port
        found = asyncio.run(measure(port, token, ours.user, options.calls))
    print(f"{options.tasks} tasks in the books; milliseconds: median, 95 %, worst")
    for what, seconds in found.items():
        ms = sorted(1000 * value for value in seconds)
        high = ms[int(0.95 * (len(ms) - 1))]
        print(f"{what:<24}{statistics.median(ms):8.1f}{high:8.1f}{ms[-1]:8.1f}")


if __name__ == "__main__":
    main()
