"""`culm job tail`, `ls`, `ps`, `debug`: what a running job's pilot sees of it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from culm.cli.render import print_json, safe, say
from culm.core.errors import SiteError, WaitTimedOut, WrongStatus
from culm.wire.job_requests import JobRequestView

if TYPE_CHECKING:
    from culm.client import Client

_PATIENT_SECONDS = 15.0


def ask(client: Client, request: JobRequestView, timeout_seconds: float, *, as_json: bool) -> None:
    """Wait for the answer to a request, and print it.

    Raises:
        WrongStatus: the job ended before it answered.
        WaitTimedOut: no answer came in time.
        SiteError: the pilot says why it cannot be had.
    """
    view, started = request, time.monotonic()
    while view.answered_at is None:
        left = started + timeout_seconds - time.monotonic()
        if left <= 0:
            raise WaitTimedOut(
                f"the pilot of job {view.job_id} has not answered within {timeout_seconds:g} s",
                hint="it listens at its heartbeats; culm job debug makes these more frequent",
            )
        view = client.job_answer(view, min(left, _PATIENT_SECONDS))
        if view.answered_at is None:
            if view.job_status not in ("sent", "starting", "running"):
                raise WrongStatus(f"job {view.job_id} is {view.job_status}: nobody answers")
            passed = time.monotonic() - started
            say(f"waiting for the pilot of job {view.job_id} ({view.job_status}), {passed:.0f} s")
    if as_json:
        print_json(view)
    elif view.is_good:
        sys.stdout.write(safe(view.answer, keep="\n\t"))
        if view.answer and not view.answer.endswith("\n"):
            sys.stdout.write("\n")
    if not view.is_good:
        raise SiteError(f"job {view.job_id}: {view.answer}")
