"""Gzipped tar archives: packed the same way each time, unpacked without trusting them.

The same files give the same bytes, so a sandbox keeps its digest. Unpacking takes regular files
and directories only, within limits, and looks again afterwards at what it made (security.md, 6).
"""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from culm.core.errors import TooLarge, UnsafeArchive

_BLOCK = 1 << 20
_BROKEN = (
    tarfile.TarError,
    zlib.error,
    EOFError,
    gzip.BadGzipFile,
    UnicodeError,
    RecursionError,
    ValueError,
    OverflowError,
)


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """The most that an archive may hold: members, bytes when unpacked, characters of a path."""

    max_members: int = 20_000
    max_bytes: int = 2 << 30
    longest_path: int = 1000


@dataclass(frozen=True, slots=True)
class ArchiveContents:
    """What was packed or unpacked: how many files, how many bytes they hold together."""

    n_files: int
    size_bytes: int


def files_below(
    root: Path, *, leave_out: Collection[str] = (), skip_links: bool = False
) -> list[tuple[str, Path]]:
    """The regular files below a directory, in order of their names in the archive.

    `leave_out` names files or directories by their path relative to `root`.

    Raises:
        UnsafeArchive: there is a link, a device or a pipe, and `skip_links` is False.
    """
    return sorted(_walk(root, "", frozenset(leave_out), skip_links))


def _walk(
    folder: Path, prefix: str, leave_out: frozenset[str], skip_links: bool
) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if name in leave_out:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{name}/", leave_out, skip_links)
            elif entry.is_file(follow_symlinks=False):
                yield name, Path(entry.path)
            elif not skip_links:
                raise UnsafeArchive(f"{name} is neither a file nor a directory: it is not packed")


def pack(files: Iterable[tuple[str, Path]], target: Path, *, level: int = 6) -> ArchiveContents:
    """Write these files (name in the archive, path) to a new archive at `target`.

    Owner, times and all of the mode but the execute bit are left out: only names and contents
    decide the archive's bytes. Nothing is left at `target` if a file cannot be read.
    """
    n_files = size_bytes = 0
    try:
        with (
            target.open("wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=level, fileobj=raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, path in files:
                with path.open("rb") as content:
                    member = _member(name, os.fstat(content.fileno()))
                    archive.addfile(member, content)
                n_files, size_bytes = n_files + 1, size_bytes + member.size
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return ArchiveContents(n_files, size_bytes)


def _member(name: str, status: os.stat_result) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = status.st_size
    member.mode = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
    return member


def check(archive: Path, limits: ArchiveLimits | None = None) -> ArchiveContents:
    """What a gzipped tar archive holds, if `extract` would take it; nothing is written.

    Raises:
        UnsafeArchive: as `extract` says.
        TooLarge: it is over a limit.
    """
    return _go_through(archive, None, limits or ArchiveLimits())


def extract(archive: Path, target: Path, limits: ArchiveLimits | None = None) -> ArchiveContents:
    """Unpack a gzipped tar archive into an existing directory.

    Files get the mode 0644 or 0755. What was written before a fault was found stays: unpack into
    a directory that can be thrown away.

    Raises:
        UnsafeArchive: it is broken, or a member is absolute, leaves the directory, is a link or a
            device, is setuid, bears a control character, or is there already.
        TooLarge: it is over a limit.
    """
    contents = _go_through(archive, target, limits or ArchiveLimits())
    _look_again(target)
    return contents


def _go_through(archive: Path, target: Path | None, limits: ArchiveLimits) -> ArchiveContents:
    try:
        with (
            gzip.open(archive, "rb") as stream,
            tarfile.open(fileobj=cast(IO[bytes], _Meter(stream, limits)), mode="r:") as members,
        ):
            return _take(members, target, limits)
    except _BROKEN as error:
        raise UnsafeArchive(f"not a readable gzipped tar archive: {error}") from error


def _take(members: tarfile.TarFile, target: Path | None, limits: ArchiveLimits) -> ArchiveContents:
    n_members = n_files = size_bytes = 0
    seen: set[str] = set()
    # One by one: the list of members is never built before the limits are looked at.
    while (member := members.next()) is not None:
        n_members += 1
        name = _safe_name(member, limits)
        if n_members > limits.max_members:
            raise TooLarge(f"archive has over {limits.max_members} members")
        size_bytes += member.size
        if size_bytes > limits.max_bytes:
            raise TooLarge(f"archive unpacks to over {limits.max_bytes} bytes")
        if member.isreg():
            if name in seen:
                raise UnsafeArchive(f"{name} is in the archive twice")
            seen.add(name)
            n_files += 1
        if target is not None:
            _write(members, member, target / name)
    return ArchiveContents(n_files, size_bytes)


def _safe_name(member: tarfile.TarInfo, limits: ArchiveLimits) -> str:
    name = member.name
    if len(name) > limits.longest_path:
        raise UnsafeArchive(f"a path is over {limits.longest_path} characters: {name[:40]!a}…")
    parts = PurePosixPath(name).parts
    if not name or not name.isprintable() or "\\" in name:
        raise UnsafeArchive(f"a path is empty or holds a control character: {name[:80]!a}")
    if name.startswith("/") or ".." in parts:
        raise UnsafeArchive(f"{name!a} leaves the directory")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise UnsafeArchive(f"{name!a} is neither a file nor a directory")
    if member.isreg() and not parts:
        raise UnsafeArchive(f"{name!a} is no name for a file")
    if member.mode & (stat.S_ISUID | stat.S_ISGID):
        raise UnsafeArchive(f"{name!a} is setuid or setgid")
    return str(PurePosixPath(name))


def _write(members: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    try:
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        mode = 0o755 if member.mode & stat.S_IXUSR else 0o644
        handle = os.open(path, flags, mode)
    except (FileExistsError, NotADirectoryError) as error:
        raise UnsafeArchive(f"{member.name!a} is there already") from error
    with open(handle, "wb") as copy:  # noqa: PTH123 - a descriptor, not a path
        content = members.extractfile(member)
        while content is not None and (block := content.read(_BLOCK)):
            copy.write(block)


def _look_again(target: Path) -> None:
    for folder, folders, files in os.walk(target):
        for name in (*folders, *files):
            mode = Path(folder, name).lstat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or mode & stat.S_ISUID:
                raise UnsafeArchive(f"{name!a} is neither a file nor a directory")


class _Meter:
    """The unpacked bytes, counted: `tarfile` can neither read nor skip more than the limit.

    A header's extension is read in one piece, so a piece over a megabyte is a trap.
    """

    def __init__(self, stream: gzip.GzipFile, limits: ArchiveLimits) -> None:
        self._stream = stream
        # Header, padding and a possible extended header come on top of each member's bytes.
        self._most = limits.max_bytes + limits.max_members * 8192 + _BLOCK
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _BLOCK:
            raise UnsafeArchive("an archive's header is over a megabyte")
        block = self._stream.read(size)
        self._at += len(block)
        if self._at > self._most:
            raise TooLarge("archive unpacks to more than its limit")
        return block

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or offset < self._at:
            raise UnsafeArchive("an archive's members are out of order")
        while self._at < offset and self.read(min(_BLOCK, offset - self._at)):
            pass
        return self._at
