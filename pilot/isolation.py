"""Payloads without an image, shut in by bubblewrap: they see the node, and change nothing of it.

What they write goes to their directory, or to a `/tmp` of their own. Directories of other jobs, the
pilot's token and what else it hides are not there; environments and open files of other processes
cannot be read. Network, devices and processes are the node's.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from culm.core.errors import Misconfigured
from culm.core.images import refusal_of_bubblewrap
from pilot.workdir import JobDirectory

log = logging.getLogger(__name__)

SHUT_IN = ("--unshare-user-try", "--unshare-ipc")
"""Processes stay in sight: in a namespace of their own, what they used would not be told."""
TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - each payload gets its own
SHARED_MEMORY = "/dev/shm"  # noqa: S108


class Mode(StrEnum):
    """Whether payloads are shut in: where it works, never, or else no job is taken."""

    AUTO = "auto"
    OFF = "off"
    REQUIRED = "required"


@dataclass(frozen=True, slots=True)
class Isolation:
    """What payloads of a node do not see; `is_on` says whether they are shut in at all."""

    is_on: bool
    hidden: tuple[Path, ...] = ()

    @classmethod
    def of(cls, mode: Mode, hidden: Iterable[Path]) -> Isolation:
        """The isolation of this node; says once if it does not work.

        Raises:
            Misconfigured: it is required, and does not work here.
        """
        if mode is Mode.OFF:
            return cls(False)
        refusal = refusal_of_bubblewrap(*SHUT_IN)
        if not refusal:
            return cls(True, tuple(hidden))
        words = f"payloads cannot be shut in: bubblewrap: {refusal}"
        if mode is Mode.REQUIRED:
            raise Misconfigured(words, hint="install bubblewrap, allow user namespaces, or say "
                                            "--isolation auto")  # fmt: skip
        log.warning("%s; they run without", words)
        return cls(False)

    def words(self, directory: JobDirectory, seen: Sequence[Path]) -> tuple[str, ...]:
        """The words before a payload's own; none where payloads are not shut in.

        `seen` are files that it may read wherever they are.
        """
        if not self.is_on:
            return ()
        own = directory.scratch("tmp")
        words = ["bwrap", *SHUT_IN, "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev",
                 "--tmpfs", SHARED_MEMORY, "--dev-bind", "/proc", "/proc"]  # fmt: skip
        for place in TEMPORARY:
            words += ["--bind", str(own), place]
        for path in _outermost(path for path in self.hidden if not _is_temporary(path)):
            if path.is_dir():
                words += ["--tmpfs", str(path)]
            elif path.exists():
                words += ["--ro-bind", "/dev/null", str(path)]
        veiled = (*self.hidden, *map(Path, TEMPORARY))
        for path in (*_of_python(), *seen):
            if any(path.is_relative_to(place) for place in veiled) and path.exists():
                words += ["--ro-bind", str(path), str(path)]
        work = str(directory.work)
        return (*words, "--bind", work, work, "--chdir", work, "--")


def _is_temporary(path: Path) -> bool:
    return any(path.is_relative_to(place) for place in TEMPORARY)


def _outermost(paths: Iterable[Path]) -> Iterator[Path]:
    """Paths that exist, as the mounts see them, without those inside of others."""
    found: list[Path] = []
    for path in sorted({path.resolve() for path in paths}):
        if not any(path.is_relative_to(other) for other in found):
            found.append(path)
            yield path


def _of_python() -> tuple[Path, ...]:
    """Where the pilot's own Python is, which it names to payloads."""
    return tuple(dict.fromkeys(map(Path, (sys.prefix, sys.base_prefix))))
