"""What a payload may use, and what happens when it uses more. Pure: numbers in, an order out."""

from __future__ import annotations

from dataclasses import dataclass

from culm.wire.error_codes import PilotError
from culm.wire.job_spec import JobSpec
from pilot.errors import Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most of each."""

    memory_mb: float
    wall_seconds: float
    work_dir_mb: float
    stdout_mb: float

    @staticmethod
    def of(spec: JobSpec, max_stdout_mb: float) -> Limits:
        """What a job asked for is what it may use."""
        return Limits(
            memory_mb=spec.memory_mb,
            wall_seconds=spec.walltime_seconds,
            work_dir_mb=spec.disk_mb,
            stdout_mb=max_stdout_mb,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a payload uses now. Megabytes are 10^6 bytes."""

    memory_mb: float = 0.0
    wall_seconds: float = 0.0
    work_dir_mb: float = 0.0
    stdout_mb: float = 0.0


def over_limit(usage: Usage, limits: Limits) -> Stop | None:
    """The order to stop a payload that is over a limit, the most urgent first."""
    if usage.memory_mb > limits.memory_mb:
        # Not gentle: a payload that grows may take the node with it in its last seconds.
        return Stop(
            PilotError.PAYLOAD_EXCEED_MAX_MEM,
            _words("memory of all its processes", usage.memory_mb, limits.memory_mb, "MB"),
            gentle=False,
        )
    if usage.wall_seconds >= limits.wall_seconds:
        return Stop(
            PilotError.REACHED_MAX_TIME,
            _words("wall time", usage.wall_seconds, limits.wall_seconds, "s"),
        )
    if usage.work_dir_mb > limits.work_dir_mb:
        return Stop(
            PilotError.USER_DIR_TOO_LARGE,
            _words("work directory", usage.work_dir_mb, limits.work_dir_mb, "MB"),
        )
    if usage.stdout_mb > limits.stdout_mb:
        return Stop(
            PilotError.STDOUT_TOO_BIG,
            _words("standard output and error", usage.stdout_mb, limits.stdout_mb, "MB"),
        )
    return None


def _words(what: str, found: float, allowed: float, unit: str) -> str:
    return f"{what}: {found:.0f} {unit} used, {allowed:.0f} {unit} allowed"
