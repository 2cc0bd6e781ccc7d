"""Secrets of a job's owner: fetched right before the payload starts, gone when it has ended."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from culm.core import names
from culm.core.errors import CulmError, InvalidRequest, Unreachable
from culm.wire.codec import decode, parse_json
from culm.wire.error_codes import PilotError
from culm.wire.secrets import SECRETS_FILE, JobSecrets, files_in
from pilot.api import ServerApi
from pilot.backoff import Backoff
from pilot.copy_tools import Gate
from pilot.errors import JobFailed
from pilot.lenient import known_only
from pilot.transfer import TRIES, full_disk
from pilot.workdir import remove_tree

_MAX_ANSWER_BYTES = 32 << 20


@contextmanager
def secrets_in(
    server: ServerApi, url: str | None, work: Path, gate: Gate
) -> Iterator[frozenset[str]]:
    """The names of the files with secrets that are there while the block lasts.

    `panda_secrets.json`, and a file for each secret that is one; none without a URL. They are this
    user's alone to read, and are removed before anything that the payload left is looked at: no
    output, log or lib file holds them.

    Raises:
        JobFailed: they cannot be had.
    """
    if url is None:
        yield frozenset()
        return
    found = _fetched(server, url, gate)
    files = {SECRETS_FILE: json.dumps(found).encode()} | _files(found)
    try:
        for name, content in files.items():
            _write(work / name, content)
        yield frozenset(files)
    finally:
        work.chmod(0o700)  # whatever the payload made of it: they must not stay
        for name in files:
            _remove(work / name)


def _fetched(server: ServerApi, url: str, gate: Gate) -> dict[str, str]:
    backoff, left = Backoff(first=0.5), TRIES
    while True:
        gate()
        left -= 1
        try:
            return _fetch(server, url)
        except CulmError as error:
            if not left or not isinstance(error, Unreachable):
                diag = f"the secrets cannot be had: {error.message}"
                raise JobFailed(PilotError.STAGE_IN_FAILED, diag) from error
        time.sleep(backoff.failed())


def _fetch(server: ServerApi, url: str) -> dict[str, str]:
    if not server.owns(url):
        raise InvalidRequest("the secrets are not at the server itself")
    body = b""
    with server.get(url) as blocks:
        for block in blocks:
            body += block
            if len(body) > _MAX_ANSWER_BYTES:
                raise InvalidRequest("they are too many")
    try:
        answer = known_only(JobSecrets, parse_json(body, "secrets"))
        return dict(decode(JobSecrets, answer, "secrets").secrets)
    except InvalidRequest:
        # Its words may quote a value.
        raise InvalidRequest("the server's answer cannot be read") from None


def _files(found: dict[str, str]) -> dict[str, bytes]:
    try:
        files = files_in(found)
    except ValueError:
        files = {"": b""}
    if not all(names.LFN.fullmatch(name) for name in files):
        raise JobFailed(PilotError.SETUP_FAILURE, "a secret is no file")
    return files


def _write(path: Path, content: bytes) -> None:
    with full_disk():
        # Not through a link that a sandbox brought, and never readable by others.
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink(missing_ok=True)
