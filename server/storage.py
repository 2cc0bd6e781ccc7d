"""Files received and given: whole and verified at their place, or not there at all."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import time
import zlib
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from culm.core import names
from culm.core.disks import is_full
from culm.core.errors import (
    ChecksumMismatch,
    Conflict,
    FieldFault,
    InvalidRequest,
    NotFound,
    StorageFailed,
)

DRAFTS = ".drafts"
OLD_DRAFT_SECONDS = 24 * 3600.0
_BLOCK = 1 << 20


@dataclass(slots=True)
class Draft:
    """A file as it is being received, and what its bytes are."""

    path: Path
    size_bytes: int = 0
    _adler: int = 1
    _sha256: hashlib._Hash = field(default_factory=hashlib.sha256)

    @property
    def adler32(self) -> str:
        """The checksum as storage systems keep it."""
        return f"{self._adler & 0xFFFFFFFF:08x}"

    @property
    def sha256(self) -> str:
        """The digest by which sandboxes are kept."""
        return self._sha256.hexdigest()

    def add(self, stream: BinaryIO, block: bytes) -> None:
        """Write one block and count it in."""
        stream.write(block)
        self.size_bytes += len(block)
        self._adler = zlib.adler32(block, self._adler)
        self._sha256.update(block)


@asynccontextmanager
async def received(folder: Path, blocks: AsyncIterable[bytes]) -> AsyncIterator[Draft]:
    """A draft below `folder` with all of these bytes, on the disk; it is gone at the end.

    Raises:
        StorageFailed: the disk is full or broken.
    """
    path = folder / DRAFTS / secrets.token_hex(16)
    draft = Draft(path)
    try:
        with _said_as_ours(path.parent):
            stream = await asyncio.to_thread(_create, path)
            try:
                async for block in _gathered(blocks):
                    await asyncio.to_thread(draft.add, stream, block)
                await asyncio.to_thread(_to_disk, stream)
            finally:
                stream.close()
        yield draft
    finally:
        path.unlink(missing_ok=True)


def settle(draft: Draft, target: Path) -> bool:
    """Put a draft to its place at once; False if the same bytes were there already.

    Raises:
        Conflict: other bytes are there. Nothing is ever overwritten.
        StorageFailed: the disk is full or broken.
    """
    with _said_as_ours(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(draft.path, target)
        except FileExistsError:
            if _same(draft, target):
                return False
            raise Conflict(f"another file is there already: {target.name}") from None
        _folder_to_disk(target.parent)
    return True


def check_adler32(draft: Draft, announced: str | None) -> None:
    """Nothing, if the bytes are those that were announced, or none were.

    Raises:
        ChecksumMismatch: they are not.
    """
    if announced is not None and announced.lower() != draft.adler32:
        raise ChecksumMismatch(f"adler32 of the bytes is {draft.adler32}, not {announced[:16]!a}")


def inside(folder: Path, path: str) -> Path:
    """Where a path of plain names lies below a folder.

    Raises:
        InvalidRequest: a part of it is no file name: empty, `..`, a blank, a control character.
    """
    parts = path.split("/")
    if len(parts) > 8 or not all(names.LFN.fullmatch(part) for part in parts):
        fault = FieldFault("path", ascii(path)[:80], names.LFN_RULE + "; up to 8 parts")
        raise InvalidRequest("this is no path in storage", faults=[fault])
    return folder.joinpath(*parts)


def present(path: Path, what: str) -> Path:
    """The path, if a regular file is there.

    Raises:
        NotFound: there is none; a link counts as none.
    """
    if path.is_symlink() or not path.is_file():
        raise NotFound(f"no {what} {path.name}")
    return path


def drop_old_drafts(folder: Path) -> int:
    """Remove drafts that a killed server left; how many there were."""
    count, now = 0, time.time()
    for path in (folder / DRAFTS).glob("*"):
        if now - path.stat().st_mtime > OLD_DRAFT_SECONDS:
            path.unlink(missing_ok=True)
            count += 1
    return count


def writable(folder: Path) -> bool:
    """Whether files can be made in a folder, and hold something: a full disk takes empty ones."""
    probe = folder / DRAFTS / f"probe-{secrets.token_hex(8)}"
    try:
        with _create(probe) as stream:
            stream.write(bytes(4096))
    except OSError:
        return False
    finally:
        probe.unlink(missing_ok=True)
    return True


async def _gathered(blocks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in blocks of about a megabyte: one hop to a thread for each."""
    waiting = bytearray()
    async for block in blocks:
        waiting += block
        if len(waiting) >= _BLOCK:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _create(path: Path) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")


def _to_disk(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())


def _folder_to_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _same(draft: Draft, target: Path) -> bool:
    if target.is_symlink() or target.stat().st_size != draft.size_bytes:
        return False
    with target.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == draft.sha256


class _said_as_ours:  # noqa: N801 - reads as the words that it is
    """Turns errors of the disk into ours, so that the answer says whose turn it is."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            words = "the storage is full" if is_full(error) else "the storage cannot be written"
            raise StorageFailed(words, hint="try again later, or tell the operator") from error
