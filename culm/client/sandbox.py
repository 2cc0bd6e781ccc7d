"""Sandboxes: which files of a directory are sent along, packed once and known by digest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from culm.core.archives import ArchiveLimits, pack
from culm.core.checksums import sha256_of
from culm.core.errors import InvalidRequest, TooLarge
from culm.core.units import SIZE_UNITS, format_size

NEVER = frozenset({".git", ".hg", ".svn", "__pycache__"})
"""Folders that are never sent: history and leavings, large and of no use to a job."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which files are sent: `also` and `never` are shell patterns on paths and names."""

    max_file_bytes: int
    also: Sequence[str] = ()
    never: Sequence[str] = ()
    private: Path | None = None
    """A folder that must not leave this machine: it holds keys and tokens."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that is not sent, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files to be sent (name in the archive, path), in order, and those left out."""

    files: tuple[tuple[str, Path], ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """A sandbox ready to be sent."""

    path: Path
    digest: str
    size_bytes: int
    n_files: int


def choose(directory: Path, choice: Choice) -> Chosen:
    """The files of a directory that are sent along.

    Links to files are sent as the files that they point to, links to folders are left out.

    Raises:
        InvalidRequest: it is no directory.
        TooLarge: it holds more files than an archive may.
    """
    if not directory.is_dir():
        raise InvalidRequest(f"--workDir {directory}: no such directory")
    files: list[tuple[str, Path]] = []
    left_out: list[LeftOut] = []
    most = ArchiveLimits().max_members
    for name, path in _walk(directory, "", choice, left_out):
        reason = _reason(name, path, choice)
        if reason:
            left_out.append(LeftOut(name, reason))
        elif reason is None:
            files.append((name, path))
        if len(files) > most:
            raise TooLarge(
                f"{directory} holds over {most} files to send",
                hint="cd to a smaller folder, or use --workDir, --excludeFile or --noSandbox",
            )
    return Chosen(tuple(sorted(files)), tuple(left_out))


def pack_sandbox(chosen: Chosen, target: Path, max_mb: int) -> Packed:
    """The chosen files as one archive at `target`; the same contents give the same digest.

    Raises:
        TooLarge: the archive is over `max_mb`.
    """
    contents = pack(chosen.files, target)
    size_bytes = target.stat().st_size
    if size_bytes > max_mb * SIZE_UNITS["MB"]:
        raise TooLarge(
            f"the files to send are {format_size(size_bytes)} packed, {max_mb} MB are allowed",
            hint="lower --maxFileSize, name files with --excludeFile, or send data with "
            "culm dataset add and --inDS",
        )
    return Packed(target, sha256_of(target), size_bytes, contents.n_files)


def _walk(
    folder: Path, prefix: str, choice: Choice, left_out: list[LeftOut]
) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda found: found.name):
            name, path = prefix + entry.name, Path(entry.path)
            if not entry.is_dir():
                yield name, path
            elif entry.is_symlink():
                left_out.append(LeftOut(f"{name}/", "a link to a folder"))
            elif choice.private is not None and path.resolve() == choice.private.resolve():
                left_out.append(LeftOut(f"{name}/", "Culm's own data, with keys and tokens"))
            elif entry.name not in NEVER and not _matches(name, choice.never):
                yield from _walk(path, f"{name}/", choice, left_out)


def _reason(name: str, path: Path, choice: Choice) -> str | None:
    """Why a file is left out: in words, empty if the user knows (asked for it), None if it goes."""
    if _matches(name, choice.never):
        return ""
    if not name.isprintable() or "\\" in name or len(name) > ArchiveLimits().longest_path:
        return "its name cannot be packed"
    if not path.is_file():
        return "a broken link" if path.is_symlink() else "no regular file"
    size_bytes = path.stat().st_size
    if size_bytes > choice.max_file_bytes and not _matches(name, choice.also):
        return f"{format_size(size_bytes)}, over --maxFileSize"
    return None if os.access(path, os.R_OK) else "not readable"


def _matches(name: str, patterns: Sequence[str]) -> bool:
    base = name.rpartition("/")[2]
    return any(fnmatchcase(name, pattern) or fnmatchcase(base, pattern) for pattern in patterns)
