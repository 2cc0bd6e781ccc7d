"""The field's standard statuses, as PanDA writes them (spec/lifecycle.md)."""

from __future__ import annotations

from enum import StrEnum


class TaskStatus(StrEnum):
    """What a task may be in."""

    REGISTERED = "registered"
    DEFINED = "defined"
    ASSIGNING = "assigning"
    READY = "ready"
    PENDING = "pending"
    SCOUTING = "scouting"
    SCOUTED = "scouted"
    RUNNING = "running"
    PREPARED = "prepared"
    TOPREPROCESS = "topreprocess"
    PREPROCESSING = "preprocessing"
    DONE = "done"
    FINISHED = "finished"
    FAILED = "failed"
    EXHAUSTED = "exhausted"
    ABORTING = "aborting"
    ABORTED = "aborted"
    FINISHING = "finishing"
    TORETRY = "toretry"
    TOINCEXEC = "toincexec"
    REREFINE = "rerefine"
    PAUSED = "paused"
    THROTTLED = "throttled"
    TOBROKEN = "tobroken"
    BROKEN = "broken"


class JobStatus(StrEnum):
    """What a job may be in; it never goes back."""

    PENDING = "pending"
    DEFINED = "defined"
    ASSIGNED = "assigned"
    ACTIVATED = "activated"
    SENT = "sent"
    STARTING = "starting"
    RUNNING = "running"
    HOLDING = "holding"
    MERGING = "merging"
    TRANSFERRING = "transferring"
    FINISHED = "finished"
    FAILED = "failed"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class DatasetStatus(StrEnum):
    """What a task's dataset may be in."""

    DEFINED = "defined"
    TOUPDATE = "toupdate"
    PENDING = "pending"
    READY = "ready"
    RUNNING = "running"
    PREPARED = "prepared"
    DONE = "done"
    FAILED = "failed"
    BROKEN = "broken"


class FileStatus(StrEnum):
    """What the master copy of a file may be in; input and output share the words."""

    READY = "ready"
    PICKED = "picked"
    DEFINED = "defined"
    RUNNING = "running"
    PREPARED = "prepared"
    MERGING = "merging"
    FINISHED = "finished"
    FAILED = "failed"
    PARTIAL = "partial"
    MISSING = "missing"
    LOST = "lost"
    BROKEN = "broken"


class DatasetKind(StrEnum):
    """What a dataset is to its task."""

    INPUT = "input"
    SEQ_NUMBER = "seq_number"
    OUTPUT = "output"
    LOG = "log"
    LIB = "lib"
    TMPL_OUTPUT = "tmpl_output"
    TMPL_LOG = "tmpl_log"


class JobKind(StrEnum):
    """What a job is for. Scouts and run jobs process input; the others serve them."""

    RUN = "run"
    SCOUT = "scout"
    BUILD = "build"
    MERGE = "merge"


UNMERGED = (str(DatasetKind.TMPL_OUTPUT), str(DatasetKind.TMPL_LOG))
"""What run jobs write where output is merged."""
MERGE_INPUT = "merge_input"
"""What such a file is to the merge job that reads it."""
LIB_INPUT = "lib_input"
"""What a lib file is to a job that unpacks it; to the build job that wrote it, it is `lib`."""


class QueueStatus(StrEnum):
    """Whether a queue takes jobs."""

    ONLINE = "online"
    OFFLINE = "offline"
    TEST = "test"
    BROKEROFF = "brokeroff"
    PAUSED = "paused"


class PilotStatus(StrEnum):
    """Whether a pilot is at work."""

    ACTIVE = "active"
    GONE = "gone"


class WorkflowStatus(StrEnum):
    """What a workflow may be in; the words are those of tasks."""

    REGISTERED = "registered"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHING = "finishing"
    ABORTING = "aborting"
    DONE = "done"
    FINISHED = "finished"
    FAILED = "failed"
    ABORTED = "aborted"


class StepStatus(StrEnum):
    """What an instance of a step may be in.

    `waiting`: it failed, or followed from one that did, and is to be started again. `unused`: it
    was to be, and the workflow ended without it.
    """

    SUBMITTED = "submitted"
    PRODUCING = "producing"
    WAITING = "waiting"
    DONE = "done"
    FINISHED = "finished"
    FAILED = "failed"
    ABORTED = "aborted"
    UNUSED = "unused"
