"""Bytes up and down, streamed, with adler32 on both sides."""

from __future__ import annotations

import os
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx

from culm.client.reading import read
from culm.client.transport import Call, Transport, path_of
from culm.core import names
from culm.core.checksums import adler32_of, chunks
from culm.core.errors import (
    CallerError,
    ChecksumMismatch,
    FieldFault,
    InvalidRequest,
    Unreachable,
)
from culm.wire.views import FileView

OnBytes = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Source:
    """A local file to be sent, as it was when it was looked at."""

    path: Path
    lfn: str
    size_bytes: int
    adler32: str
    n_events: int | None = None

    @classmethod
    def of(cls, path: Path, lfn: str | None = None, n_events: int | None = None) -> Source:
        """A local file under its own name or another.

        Raises:
            InvalidRequest: there is no such file, or its name is none for the catalogue.
        """
        lfn = lfn or path.name
        check_lfn(lfn)
        if not path.is_file():
            raise InvalidRequest(f"file {path} does not exist or is not a regular file")
        return cls(path, lfn, path.stat().st_size, adler32_of(path), n_events)


def check_lfn(lfn: str) -> None:
    """Pass if this may be a file's name in the catalogue (and so has no slash).

    Raises:
        InvalidRequest: it may not.
    """
    if not names.LFN.fullmatch(lfn):
        fault = FieldFault("lfn", ascii(lfn), names.LFN_RULE)
        raise InvalidRequest(f"not a file name: {lfn!a}", faults=[fault])


def upload(transport: Transport, dataset: str, source: Source, on_bytes: OnBytes) -> FileView:
    """Send a file into a dataset; the same bytes again change nothing, so it may be repeated."""
    headers = {"Content-Length": str(source.size_bytes), "X-Adler32": source.adler32}
    if source.n_events is not None:
        headers["X-N-Events"] = str(source.n_events)
    call = Call(
        method="PUT",
        path=path_of("datasets", dataset, "files", source.lfn),
        headers=headers,
        content=lambda: _told(chunks(source.path), on_bytes),
        read_timeout=600.0,
    )
    stored = read(FileView, transport.json(call))
    _compare(f"{dataset}/{source.lfn} in storage", stored.adler32, source.adler32)
    return stored


def download(
    transport: Transport, dataset: str, lfn: str, directory: Path, on_bytes: OnBytes
) -> Path:
    """Fetch a file to `directory`, which is made if need be; a cut download goes on where it was.

    Raises:
        Unreachable: nothing more came for as long as the transport is patient.
    """
    check_lfn(lfn)
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / lfn
    path = path_of("datasets", dataset, "files", lfn)
    with _copy_for(target) as copy:
        heard, best, pause = time.monotonic(), 0, 0.1
        while not copy.whole:
            try:
                _fetch(transport, path, copy, on_bytes)
            except CallerError:
                if copy.size_bytes > best:
                    heard, best, pause = time.monotonic(), copy.size_bytes, 0.1
                if time.monotonic() + pause > heard + transport.patience_seconds:
                    raise
                time.sleep(pause)
                pause = min(pause * 2, 2.0)
    return target


@dataclass(slots=True)
class _Copy:
    """A file as far as it has come, under a hidden name beside its place."""

    target: Path
    path: Path
    stream: IO[bytes]
    etag: str = ""
    size_bytes: int = 0
    adler: int = 1
    whole: bool = False

    def add(self, block: bytes) -> None:
        self.stream.write(block)
        self.size_bytes += len(block)
        self.adler = zlib.adler32(block, self.adler)

    def begin_again(self) -> None:
        self.stream.seek(0)
        self.stream.truncate()
        self.size_bytes, self.adler = 0, 1

    def publish(self) -> None:
        self.stream.flush()
        self.path.chmod(0o666 & ~_umask())
        self.path.replace(self.target)
        self.whole = True


@contextmanager
def _copy_for(target: Path) -> Iterator[_Copy]:
    """A new copy; nothing of it is left unless it was published."""
    handle, partial = tempfile.mkstemp(prefix=f".{target.name[:200]}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            yield _Copy(target, Path(partial), stream)
    finally:
        Path(partial).unlink(missing_ok=True)


def _fetch(transport: Transport, path: str, copy: _Copy, on_bytes: OnBytes) -> None:
    """Bring the copy to its end and rename it, unless the file is there already."""
    # Bytes as they are in storage: packed ones could not be counted.
    headers = {"Accept-Encoding": "identity"}
    if copy.size_bytes and copy.etag:
        headers |= {"Range": f"bytes={copy.size_bytes}-", "If-Range": copy.etag}
    with transport.stream(Call(method="GET", path=path, headers=headers)) as response:
        expected = response.headers.get("X-Adler32", "")
        if _is_there(copy.target, expected):
            on_bytes(copy.target.stat().st_size - copy.size_bytes)
            copy.whole = True
            return
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            on_bytes(-copy.size_bytes)
            copy.begin_again()
            copy.etag = response.headers.get("ETag", "")
        before = copy.size_bytes
        # As they come: what a larger block had gathered would be lost by a cut.
        for block in _told(response.iter_bytes(), on_bytes):
            copy.add(block)
        _check_length(response, copy.size_bytes - before)
    if expected:
        _compare(copy.target.name, f"{copy.adler & 0xFFFFFFFF:08x}", expected)
    copy.publish()


def _is_there(target: Path, adler32: str) -> bool:
    return bool(adler32) and target.is_file() and adler32_of(target) == adler32


def _check_length(response: httpx.Response, size_bytes: int) -> None:
    announced = response.headers.get("Content-Length")
    if announced is not None and int(announced) != size_bytes:
        raise Unreachable(f"the download broke off after {size_bytes} of {announced} bytes")


def _compare(what: str, found: str, expected: str) -> None:
    if found != expected:
        raise ChecksumMismatch(f"{what}: adler32 {found}, {expected} needed")


def _told(blocks: Iterator[bytes], on_bytes: OnBytes) -> Iterator[bytes]:
    for block in blocks:
        yield block
        on_bytes(len(block))


def _umask() -> int:
    """The process's mask for new files; mkstemp makes private ones."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
