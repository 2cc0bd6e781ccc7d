"""JobSpec: one job as a pilot gets it, and the request by which it asks for work."""

from __future__ import annotations

from dataclasses import dataclass, field

from culm.core import names


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotSpec:
    """A pilot that signs on: the queue it serves and the node it is on."""

    queue: str = field(metadata={"pattern": names.USER, "rule": "a queue name"})
    host: str = field(metadata={"longest": 255})
    process_id: int
    version: str = field(metadata={"longest": 64})
    slots: int = field(default=1, metadata={"minimum": 1, "maximum": 10_000})
    core_count: int = field(default=1, metadata={"minimum": 1, "maximum": 100_000})
    memory_mb: int = field(default=2000, metadata={"minimum": 1, "maximum": 1_000_000_000})
    disk_mb: int = field(default=10_000, metadata={"minimum": 0, "maximum": 10**12})


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotWelcome:
    """The answer to a pilot that signed on: its number and a token of its own."""

    pilot_id: int
    token: str
    token_expires_in_seconds: int
    heartbeat_seconds: float
    lease_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRequest:
    """A pilot asks for up to `n_jobs` jobs, each of which fits in what it has free.

    `wait_seconds` is how long the server may hold the request until there is work.
    `request_key` makes the call safe to repeat: the same key gets the same jobs.
    """

    request_key: str = field(metadata={"longest": 64})
    n_jobs: int = field(default=1, metadata={"minimum": 1, "maximum": 1000})
    core_count: int = field(default=1, metadata={"minimum": 1, "maximum": 100_000})
    memory_mb: int = field(default=2000, metadata={"minimum": 1, "maximum": 1_000_000_000})
    disk_mb: int = field(default=10_000, metadata={"minimum": 0, "maximum": 10**12})
    minutes_left: float | None = field(default=None, metadata={"minimum": 0, "maximum": 10**7})
    wait_seconds: float = field(default=0, metadata={"minimum": 0, "maximum": 60})


LOG_STREAM = "_LOG"
"""The stream of logs that a merge job gets: they go into its own log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInput:
    """One input file of a job and where copies of it are, nearest first."""

    lfn: str
    stream: str
    urls: tuple[str, ...]
    size_bytes: int | None = None
    adler32: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutput:
    """One output of a job: the local name or pattern, its name in the catalogue, its place.

    `kind` is `output`, `log` or `lib`. A pattern's files become one tarball named `lfn`; a lib is
    a tarball of all that the payload leaves, of at most `max_bytes`.
    """

    local_name: str
    lfn: str
    url: str
    kind: str = "output"
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedFile:
    """A file that the job may write anew at any time: each state of it is sent to `url`.

    What the attempt before this one saved is among the inputs, under the same name.
    """

    local_name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """The user's files, by digest: a gzipped tar archive at `url` on the server."""

    digest: str
    url: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One attempt of a job. Every report about it carries `job_id` and `attempt_nr` (the fence).

    `reads_directly`: its input may be read where it is, in place of a copy.
    `lib` is unpacked where the payload runs, in place of a sandbox. `kind` says what the job is
    for (run, scout, build, merge); each is run in the same way.
    `files` are small texts by name, written into the work directory before the payload starts.
    `container_image` is the image in which the payload runs, its directory as `/srv/workDir`.
    `secrets_url` is where the pilot fetches its owner's secrets right before the payload starts.
    `result_name` is a small JSON file of the payload's that goes back with the final report.
    """

    job_id: int
    task_id: int
    attempt_nr: int
    task_name: str
    command: str = field(metadata={"multiline": True, "longest": 10_000_000})
    inputs: tuple[JobInput, ...] = ()
    outputs: tuple[JobOutput, ...] = ()
    sandbox: Sandbox | None = None
    lib: JobInput | None = None
    kind: str = "run"
    core_count: int = 1
    memory_mb: int = 2000
    disk_mb: int = 10_000
    walltime_seconds: int = 86_400
    heartbeat_seconds: float = 30.0
    lease_seconds: float = 300.0
    environment: dict[str, str] = field(default_factory=dict)
    reads_directly: bool = False
    files: dict[str, str] = field(
        default_factory=dict, metadata={"multiline": True, "longest": 20_000_000}
    )
    result_name: str | None = None
    saved: tuple[SavedFile, ...] = ()
    secrets_url: str | None = None
    container_image: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkAnswer:
    """The jobs that a pilot got; empty if there are none for it now.

    `sign_off` tells the pilot to take no more work (its queue went offline, or it is unknown).
    """

    jobs: tuple[JobSpec, ...] = ()
    sign_off: bool = False
