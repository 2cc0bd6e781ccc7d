"""Bytes up and down, streamed, with adler32 on both sides."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from culm.client.reading import read
from culm.client.transport import Call, Transport, path_of
from culm.core import names
from culm.core.checksums import CHUNK_BYTES, adler32_of, chunks
from culm.core.errors import ChecksumMismatch, FieldFault, InvalidRequest, Unreachable
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
    """Fetch a file to `directory`, which is made if need be."""
    check_lfn(lfn)
    directory.mkdir(parents=True, exist_ok=True)
    target = directory / lfn
    call = Call(method="GET", path=path_of("datasets", dataset, "files", lfn))
    with transport.stream(call) as response:
        expected = response.headers.get("X-Adler32", "")
        if target.is_file() and expected and adler32_of(target) == expected:
            on_bytes(target.stat().st_size)
            return target
        _write(response, target, expected, on_bytes)
    return target


def _write(response: httpx.Response, target: Path, expected: str, on_bytes: OnBytes) -> None:
    """Write the body under a hidden name; rename it once it is whole and right."""
    handle, partial = tempfile.mkstemp(prefix=f".{target.name[:200]}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as copy:
            value = 1
            size_bytes = 0
            for block in _told(response.iter_bytes(CHUNK_BYTES), on_bytes):
                copy.write(block)
                size_bytes += len(block)
                value = zlib.adler32(block, value)
        _check_length(response, size_bytes)
        if expected:
            _compare(str(target.name), f"{value & 0xFFFFFFFF:08x}", expected)
        Path(partial).chmod(0o666 & ~_umask())
        Path(partial).replace(target)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


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
