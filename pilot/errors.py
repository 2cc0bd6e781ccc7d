"""How a job ends early: it failed with a code, or it was stopped from outside."""

from __future__ import annotations

from dataclasses import dataclass

from culm.wire.error_codes import PilotError


class JobError(Exception):
    """A job does not go on in the usual way."""


class JobFailed(JobError):
    """The job cannot go on: the code and the words of its report."""

    def __init__(self, code: PilotError, diag: str) -> None:
        super().__init__(diag)
        self.code = code
        self.diag = diag


@dataclass(frozen=True, slots=True)
class Stop:
    """An order to end a job, and the code that it is reported with.

    `silent`: the job is no longer ours, so nothing more is written or reported. `gentle`: the
    payload gets SIGTERM and some seconds before SIGKILL. `late`: a job whose payload has ended
    by itself may still bring its outputs home.
    """

    code: PilotError
    diag: str
    silent: bool = False
    gentle: bool = True
    late: bool = False


class Stopped(JobError):
    """Raised in a job's thread at the next safe place after a `Stop`."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(stop.diag)
        self.stop = stop
