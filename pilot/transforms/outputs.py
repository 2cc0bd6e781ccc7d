"""Which files of a work directory are what: outputs, patterns, and what a build leaves."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from culm.core import names
from culm.core.archives import ArchiveLimits

STDOUT, STDERR = "payload.stdout", "payload.stderr"
LIB_LIMITS = ArchiveLimits(max_members=200_000, max_bytes=20 << 30)
"""A build may leave more than a person sends: compilers and installers write many files."""
_PRINTED = frozenset({STDOUT, STDERR})


def files_of(local_name: str, work: Path, inputs: Collection[str]) -> tuple[Path, ...]:
    """The files that an output's name or pattern stands for; empty if there is none.

    A pattern takes no input and nothing that the payload printed.
    """
    if not names.is_pattern(local_name):
        path = work / local_name
        return (path,) if is_inside(path, work) else ()
    matching = (path for path in sorted(work.iterdir()) if fnmatchcase(path.name, local_name))
    left_out = _PRINTED.union(inputs)
    return tuple(p for p in matching if p.name not in left_out and is_inside(p, work))


def is_inside(path: Path, work: Path) -> bool:
    """Whether it is a regular file, or a link to one that is in the work directory too."""
    try:
        real = path.resolve(strict=True)
        return stat.S_ISREG(real.stat().st_mode) and real.is_relative_to(work.resolve())
    except (OSError, RuntimeError):
        return False


def lib_files(work: Path) -> list[tuple[str, Path]]:
    """The files of a work directory by their names in the archive, in order.

    A link to a file of the directory is taken as that file (`libx.so -> libx.so.1`); one that
    leads elsewhere, or to a directory, is left out: it would mean another thing on another node.
    """
    return sorted(_walk(work, "", work.resolve()))


def _walk(folder: Path, prefix: str, root: Path) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{name}/", root)
            elif name not in _PRINTED and entry.is_file() and _is_below(entry.path, root):
                yield name, Path(entry.path)


def _is_below(path: str, root: Path) -> bool:
    return Path(path).resolve().is_relative_to(root)
