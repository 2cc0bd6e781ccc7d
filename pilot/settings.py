"""What a pilot is told when it starts: flags, then `CULM_*` environment, then the node itself."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from culm.core.settings import Settings, user_file
from pilot.isolation import Mode
from pilot.monitor import LONGEST_PERIOD_SECONDS

DEFAULT_SERVER = "http://127.0.0.1:8810"


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotSettings:
    """Settings of one pilot. Zero for cores, memory and disk means: what the node has.

    `batch` is how many jobs are asked for in a call (at least one a free slot); `once` ends the
    pilot after the first call that gave work. `lifetime_seconds` and `idle_exit_seconds` None:
    no limit. `sample_seconds` is the longest time between two looks at a payload. Paths are
    absolute; `images_dir` is empty where no images are unpacked. `isolation` says whether payloads
    are shut in; then they do not see `work_dir` and what is `hidden`.
    """

    server: str
    queue: str
    work_dir: Path
    slots: int = 1
    core_count: int = 0
    memory_mb: int = 0
    disk_mb: int = 0
    batch: int = 1
    max_jobs: int | None = None
    lifetime_seconds: float | None = None
    idle_exit_seconds: float | None = None
    once: bool = False
    poll_seconds: float = 30.0
    kill_grace_seconds: float = 5.0
    sample_seconds: float = LONGEST_PERIOD_SECONDS
    max_stdout_mb: float = 2000.0
    drain_seconds: float = 25.0
    images_dir: str = ""
    isolation: Mode = Mode.AUTO
    hidden: tuple[Path, ...] = ()


def default_work_dir() -> Path:
    """A directory of this user's own below the temporary directory of the node."""
    return Path(tempfile.gettempdir()) / f"pilot-{os.getuid()}"


def node_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def node_memory_mb() -> int:
    """The physical memory of the node, in MB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000


def hidden_from_payloads(found: Settings, more: Iterable[Path]) -> tuple[Path, ...]:
    """What no payload of this node has to see: keys, tokens, books, and what else is said."""
    own = (found.data_dir, found.keys_dir, found.token_file, user_file(os.environ).parent)
    return tuple(path.absolute() for path in (*own, *more))
