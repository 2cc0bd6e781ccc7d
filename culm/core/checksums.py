"""Checksums of files, streamed: adler32 as storage systems keep it, sha256 for sandboxes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

CHUNK_BYTES = 1 << 20


def chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes, a megabyte at a time."""
    with path.open("rb") as stream:
        while block := stream.read(CHUNK_BYTES):
            yield block


def adler32(blocks: Iterable[bytes]) -> str:
    """The adler32 of these bytes as eight lower-case hexadecimal digits."""
    value = 1
    for block in blocks:
        value = zlib.adler32(block, value)
    return f"{value & 0xFFFFFFFF:08x}"


def adler32_of(path: Path) -> str:
    """The adler32 of a file, as eight lower-case hexadecimal digits."""
    return adler32(chunks(path))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in lower-case hexadecimal digits."""
    digest = hashlib.sha256()
    for block in chunks(path):
        digest.update(block)
    return digest.hexdigest()
