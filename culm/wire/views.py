"""What the server shows of its books: tasks, jobs, datasets, files, queues, pilots, history.

Times are ISO 8601 strings in UTC. Counters of a task count the primary input's files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from culm.core import names

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_ADLER32 = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAccepted:
    """The answer to a submission; `created` is False where the idempotency key was known."""

    task_id: int
    name: str
    status: str
    created: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskView:
    """A task. `reason` says in words why it is pending, failed, broken or exhausted.

    `version` rises with every change that a watcher may care about; `job_counts` maps a job
    status to how many of the task's jobs are in it, `serving_counts` the same for each kind of
    job that processes no input itself (build, merge); these are among the former too.
    """

    task_id: int
    name: str
    user: str
    status: str
    final: bool
    reason: str
    version: int
    created_at: str
    modified_at: str
    started_at: str | None = None
    ended_at: str | None = None
    priority: int = 1000
    share: str = "default"
    resource_type: str = ""
    parent_task_id: int | None = None
    n_files: int = 0
    n_files_finished: int = 0
    n_files_failed: int = 0
    n_files_used: int = 0
    job_counts: dict[str, int] = field(default_factory=dict)
    serving_counts: dict[str, dict[str, int]] = field(default_factory=dict)
    output_datasets: tuple[str, ...] = ()
    input_datasets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskList:
    """A page of tasks, newest first; `next` is the `before` of the next page, if there is one."""

    tasks: tuple[TaskView, ...]
    next: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFileView:
    """One file of one job attempt."""

    lfn: str
    kind: str
    stream: str
    dataset: str
    size_bytes: int | None = None
    adler32: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """A job (one attempt). `error` says in words what went wrong, if anything did.

    `kind` is run, scout, build or merge.
    """

    job_id: int
    task_id: int
    attempt_nr: int
    status: str
    final: bool
    queue: str
    created_at: str
    modified_at: str
    kind: str = "run"
    retry_of: int | None = None
    pilot_id: int | None = None
    node: str = ""
    started_at: str | None = None
    ended_at: str | None = None
    exit_code: int | None = None
    pilot_error_code: int = 0
    server_error_code: int = 0
    error: str = ""
    output_tail: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    core_count: int = 1
    memory_mb: int = 0
    priority: int = 0
    command: str = ""
    files: tuple[JobFileView, ...] = ()
    user_metadata: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobList:
    """A page of jobs in order of id, without their files; `next` is the `after` of the next."""

    jobs: tuple[JobView, ...]
    next: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One move of a status: who, when, why."""

    at: str
    event: str
    from_status: str
    to_status: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The moves of one task or job, oldest first."""

    entries: tuple[HistoryEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The latest brokerage of a task: queues by rank, and for each rejected one the rule."""

    task_id: int
    at: str
    cycle: int = 1
    ranking: tuple[dict[str, Any], ...]
    rejections: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file to be registered in the catalogue. `url` is where its bytes are."""

    lfn: str = field(metadata={"pattern": names.LFN, "rule": names.LFN_RULE})
    url: str = field(metadata={"longest": 1000, "pattern": _URL, "rule": "a URL: scheme:…"})
    size_bytes: int = field(metadata={"minimum": 0, "maximum": 2**60})
    adler32: str = field(
        metadata={"pattern": _ADLER32, "rule": "eight lower-case hexadecimal digits"}
    )
    n_events: int | None = field(default=None, metadata={"minimum": 0, "maximum": 2**60})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDataset:
    """A dataset to be registered, or files to be added to one that is there."""

    name: str = field(
        metadata={"pattern": names.DATASET, "rule": f"a dataset name is {names.LFN_RULE}"}
    )
    files: tuple[NewFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetView:
    """A dataset of the catalogue; `task_id` is the task that writes it, if one does."""

    name: str
    owner: str
    open: bool
    n_files: int
    size_bytes: int
    created_at: str
    task_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetList:
    """Datasets in order of name; `next` is the `after` of the next page."""

    datasets: tuple[DatasetView, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileView:
    """A file of a dataset and where its copies are."""

    lfn: str
    size_bytes: int
    adler32: str
    urls: tuple[str, ...]
    n_events: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FileList:
    """Files of a dataset in order of name; `next` is the `after` of the next page."""

    files: tuple[FileView, ...]
    next: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueView:
    """A queue, its settings and storage, and how many jobs wait and run there.

    Means and last times are as they were counted last; `workers_wanted` by resource type.
    """

    name: str
    site: str
    status: str
    settings: dict[str, Any]
    n_activated: int = 0
    n_running: int = 0
    n_pilots: int = 0
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    mean_run_seconds: float | None = None
    last_start_at: str | None = None
    last_pilot_at: str | None = None
    workers_wanted: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueList:
    """All queues in order of name."""

    queues: tuple[QueueView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotView:
    """A pilot that signed on."""

    pilot_id: int
    queue: str
    host: str
    process_id: int
    slots: int
    status: str
    started_at: str
    last_heard_at: str
    n_jobs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotList:
    """Pilots, newest first."""

    pilots: tuple[PilotView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvesterView:
    """A harvester of PanDA's, its workers by status, and its latest messages, newest first."""

    name: str
    owner: str
    last_heard_at: str
    worker_counts: dict[str, int] = field(default_factory=dict)
    messages: tuple[str, ...] = field(default=(), metadata={"multiline": True})


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvesterList:
    """All harvesters, by name."""

    harvesters: tuple[HarvesterView, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersWanted:
    """How many workers (pilots) of a resource type a queue should get next, and of what size."""

    queue: str
    resource_type: str
    n_workers: int
    at: str
    core_count: int = 1
    memory_mb: int = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersWantedList:
    """What is wanted at all queues that the asker may serve."""

    workers: tuple[WorkersWanted, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersTaken:
    """Workers that whoever serves a queue is about to start; in the answer, those to start."""

    queue: str = field(metadata={"pattern": names.USER, "rule": "a queue name"})
    resource_type: str = field(metadata={"longest": 32})
    n_workers: int = field(metadata={"minimum": 0, "maximum": 100_000})


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRequest:
    """A command to a task: kill, finish, retry, incexec, pause, resume, avalanche, release,
    reactivate.

    `soft` goes with finish; `parameters`, fields of the task's specification with their new
    values, with incexec.
    """

    command: str
    soft: bool = False
    reason: str = field(default="", metadata={"longest": 500})
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswer:
    """Whether a command was taken up: PanDA's codes (0 accepted, 2 no such task, 3 not permitted,
    4 wrong status), and the words.
    """

    task_id: int
    code: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueChange:
    """A queue as an operator wants it: its site and settings; the status stays as it is."""

    site: str = field(metadata={"pattern": names.USER, "rule": "a site name"})
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusChange:
    """The status that a queue is to have: online, offline, test, brokeroff, paused."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """A row, or a sum of rows, that breaks an invariant."""

    invariant: str
    entity: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """What the audit found; `checked` maps an invariant to how much was looked at."""

    findings: tuple[AuditFinding, ...]
    checked: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether the server answers."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """Whether the server can work: `ready` or `not ready`, and each check in words."""

    status: str
    checks: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the token says that you are.

    `vo` is the organisation whose identity provider vouched for you, empty for a token of this
    server; `working_groups` are those that you may run production for there.
    """

    user: str
    roles: tuple[str, ...]
    expires_at: str
    vo: str = ""
    working_groups: tuple[str, ...] = ()
