"""Requests to running jobs as commands of PanDA's pilot. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from culm.wire.job_requests import JobRequest, RequestKind

WORK = "workDir"
"""Where the program of a job runs it, below the pilot's own directory for the job."""


def command_of(requests: Sequence[JobRequest]) -> str:
    """The command that asks for the oldest of these; "" if there are none."""
    return _command(requests[0]) if requests else ""


def _command(request: JobRequest) -> str:
    if request.kind == RequestKind.TAIL:
        return f"tail {WORK}/{request.path}" if request.path else "tail payload.stdout"
    if request.kind == RequestKind.LS:
        return f"ls -l {WORK}/{request.path}"
    return "ps xf" if request.kind == RequestKind.PS else str(request.kind)
