"""What moves between a job and storage, and what may go wrong on the way."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from culm.core.checksums import adler32_of


class TransferError(Exception):
    """A file could not be brought from or to storage. `again`: the same later may succeed."""

    def __init__(self, message: str, *, again: bool = False) -> None:
        super().__init__(message)
        self.again = again


class NotThere(TransferError):
    """The storage has no such file."""


class ChecksumDiffers(TransferError):
    """The bytes changed on their way."""


@dataclass(frozen=True, slots=True)
class Content:
    """The size and the checksum that a file must have."""

    size_bytes: int
    adler32: str

    @staticmethod
    def of(path: Path) -> Content:
        """What a local file has."""
        return Content(path.stat().st_size, adler32_of(path))
