"""Sandboxes: fetched once a digest, kept on the node, checked at each use, unpacked a job."""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress
from pathlib import Path

from culm.core import names
from culm.core.archives import extract
from culm.core.checksums import sha256_of
from culm.core.disks import is_full
from culm.core.errors import CulmError, TooLarge
from culm.wire.error_codes import PilotError
from culm.wire.job_spec import Sandbox
from pilot.api import ServerApi
from pilot.copy_tools import Gate
from pilot.errors import JobFailed

MAX_CACHE_BYTES = 2 << 30


class Sandboxes:
    """The sandboxes of one node. Slots that want the same one wait for one download."""

    def __init__(self, folder: Path, server: ServerApi) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder, self._server = folder, server
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}

    def unpack(self, sandbox: Sandbox, work: Path, gate: Gate) -> None:
        """Put a sandbox's files into a work directory.

        Raises:
            JobFailed: it cannot be had, is not what its digest says, or is not safe.
        """
        try:
            extract(self._archive(sandbox, gate), work)
        except (CulmError, OSError) as error:
            diag = f"sandbox {sandbox.digest[:12]}: {error}"
            code = PilotError.NO_LOCAL_SPACE if is_full(error) else PilotError.NO_USER_TARBALL
            raise JobFailed(code, diag) from error

    def _archive(self, sandbox: Sandbox, gate: Gate) -> Path:
        if not names.DIGEST.fullmatch(sandbox.digest):
            raise JobFailed(PilotError.NO_USER_TARBALL, "the sandbox's digest is no SHA-256")
        path = self._folder / f"{sandbox.digest}.tgz"
        with self._lock:
            busy = self._busy.setdefault(sandbox.digest, threading.Lock())
        with busy:
            # Checked each time: payloads run as the same user and could have changed it.
            if not (path.is_file() and sha256_of(path) == sandbox.digest):
                self._fetch(sandbox, path, gate)
        return path

    def _fetch(self, sandbox: Sandbox, path: Path, gate: Gate) -> None:
        part = path.with_name(f"{path.name}.{secrets.token_hex(6)}.part")
        try:
            with self._server.get(sandbox.url) as blocks, part.open("xb") as copy:
                for block in blocks:
                    gate()
                    copy.write(block)
                    if copy.tell() > sandbox.size_bytes:
                        raise TooLarge(f"over the {sandbox.size_bytes} bytes that were announced")
            if sha256_of(part) != sandbox.digest:
                raise JobFailed(
                    PilotError.NO_USER_TARBALL,
                    f"sandbox {sandbox.digest[:12]}: the bytes have another digest",
                )
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        self._prune(path)

    def _prune(self, newest: Path) -> None:
        with suppress(OSError):
            files = sorted(
                (
                    (file.stat().st_mtime, file.stat().st_size, file)
                    for file in self._folder.glob("*.tgz")
                ),
                reverse=True,
            )
            total = 0
            for _, size, file in files:
                total += size
                if total > MAX_CACHE_BYTES and file != newest:
                    file.unlink(missing_ok=True)
