"""What a pilot says about its jobs, and what the server answers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from culm.core import names
from culm.wire.job_requests import JobRequest

_ADLER32 = {"pattern": re.compile(r"[0-9a-f]{8}"), "rule": "eight lower-case hexadecimal digits"}
_INT32 = {"minimum": -(2**31), "maximum": 2**31 - 1}
"""What a column of the books holds: one number over it would spoil a whole batch of reports."""
MAX_TAIL = 20_000
MAX_RESULT = 1_000_000
"""The file that a job's specification names as its result must be less than 1 MB, too."""
MAX_METADATA = 1_000_000
"""`userJobMetadata.json` must be less than 1 MB (documentation, 4.1.2 FAQ)."""


class ReportState(StrEnum):
    """The states that a pilot may report."""

    STARTING = "starting"
    RUNNING = "running"
    TRANSFERRING = "transferring"
    FINISHED = "finished"
    FAILED = "failed"


class Instruction(StrEnum):
    """What the server tells a pilot to do with a job."""

    GO_ON = "go_on"
    KILL = "kill"
    FORGET = "forget"
    """The report was refused: the job is not this pilot's (any more). Stop it, write nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A file that a job wrote to storage."""

    lfn: str = field(metadata={"pattern": names.LFN, "rule": names.LFN_RULE})
    size_bytes: int = field(metadata={"minimum": 0, "maximum": 2**60})
    adler32: str = field(metadata=_ADLER32)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMetrics:
    """What the pilot measured so far. Memory of the whole process tree, PSS where known.

    `leak_kb_per_second` is the slope of the memory over time; None where the job was too short.
    `read_mb` and `write_mb` crossed the node's disks, `input_mb` and `output_mb` its network.
    """

    max_pss_mb: float = 0.0
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    stage_in_seconds: float = 0.0
    stage_out_seconds: float = 0.0
    work_dir_mb: float = 0.0
    input_mb: float = 0.0
    output_mb: float = 0.0
    read_mb: float = 0.0
    write_mb: float = 0.0
    n_events: int = 0
    leak_kb_per_second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """One report about one attempt. `report_nr` rises with each report of the attempt.

    `pilot_error_code` is one of `culm.wire.error_codes` (0: none); `exit_code` is the payload's
    exit status, negative for a signal. `output_tail` holds the last lines of its output,
    `result` the text of the file that the job was to leave.
    """

    job_id: int
    attempt_nr: int = field(metadata=_INT32)
    report_nr: int = field(metadata={"minimum": 1, "maximum": 2**31 - 1})
    state: ReportState
    exit_code: int | None = field(default=None, metadata=_INT32)
    pilot_error_code: int = field(default=0, metadata=_INT32)
    pilot_error_diag: str = field(default="", metadata={"multiline": True, "longest": 4000})
    outputs: tuple[OutputFile, ...] = ()
    metrics: JobMetrics | None = None
    output_tail: str = field(default="", metadata={"multiline": True, "longest": MAX_TAIL})
    user_metadata: str | None = field(
        default=None, metadata={"multiline": True, "longest": MAX_METADATA}
    )
    node: str = field(default="", metadata={"longest": 255})
    result: str | None = field(default=None, metadata={"multiline": True, "longest": MAX_RESULT})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportBatch:
    """Reports of one pilot in one call: each is answered for itself."""

    reports: tuple[JobReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAnswer:
    """The answer to one report: go on, kill, or forget, and why.

    `requests` are those to the job that its pilot has not answered yet.
    """

    job_id: int
    attempt_nr: int
    instruction: Instruction
    reason: str = ""
    requests: tuple[JobRequest, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportAnswers:
    """The answers to a batch of reports, in the batch's order."""

    answers: tuple[ReportAnswer, ...]
