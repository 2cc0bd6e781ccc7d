"""One file brought in or out: tools chosen, tried again, checksums compared both ways."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from culm.core.disks import is_full
from culm.wire.error_codes import PilotError
from culm.wire.job_spec import JobInput
from pilot.backoff import Backoff
from pilot.content import ChecksumDiffers, Content, NotThere, TransferError
from pilot.copy_tools import CopyTools, Gate
from pilot.errors import JobFailed

TRIES = 3


@dataclass(frozen=True, slots=True)
class Failure:
    """Why one copy of a file could not be had."""

    code: PilotError
    diag: str


def bring_in(tools: CopyTools, item: JobInput, target: Path, gate: Gate) -> Content:
    """Fetch one input from the first of its places that has it as announced.

    Raises:
        JobFailed: no place has; the first place that has the file at all says why.
    """
    failures: list[Failure] = []
    for url in item.urls:
        failure = _one_place(tools, item, url, target, gate)
        if failure is None:
            return Content.of(target)
        target.unlink(missing_ok=True)
        failures.append(failure)
    told = [f for f in failures if f.code != PilotError.REPLICA_NOT_FOUND] or failures
    if not told:
        raise JobFailed(PilotError.REPLICA_NOT_FOUND, f"{item.lfn}: no place is known")
    raise JobFailed(told[0].code, f"{item.lfn}: {'; '.join(f.diag for f in failures)}")


def _one_place(
    tools: CopyTools, item: JobInput, url: str, target: Path, gate: Gate
) -> Failure | None:
    def fetch() -> None:
        target.unlink(missing_ok=True)
        tools.tool_for(url).fetch(url, target, gate)

    try:
        with full_disk():
            _with_tries(fetch, gate)
    except NotThere as error:
        return Failure(PilotError.REPLICA_NOT_FOUND, str(error))
    except (TransferError, OSError) as error:
        return Failure(PilotError.STAGE_IN_FAILED, str(error))
    return _difference(item, url, target)


def _difference(item: JobInput, url: str, target: Path) -> Failure | None:
    found = Content.of(target)
    if item.size_bytes is not None and item.size_bytes != found.size_bytes:
        return Failure(
            PilotError.STAGE_IN_FAILED,
            f"{url} has {found.size_bytes} bytes, {item.size_bytes} are recorded",
        )
    if item.adler32 is not None and item.adler32 != found.adler32:
        return Failure(
            PilotError.GET_ADLER_MISMATCH,
            f"{url} has adler32 {found.adler32}, {item.adler32} is recorded",
        )
    return None


def bring_out(tools: CopyTools, source: Path, url: str, gate: Gate) -> Content:
    """Store one file and return what was stored.

    Raises:
        JobFailed: it could not be stored, or changed on its way.
    """
    content = Content.of(source)
    try:
        with full_disk():
            _with_tries(lambda: tools.tool_for(url).store(source, url, content, gate), gate)
    except ChecksumDiffers as error:
        raise JobFailed(PilotError.PUT_ADLER_MISMATCH, str(error)) from error
    except (TransferError, OSError) as error:
        raise JobFailed(PilotError.STAGE_OUT_FAILED, str(error)) from error
    return content


def _with_tries(act: Callable[[], None], gate: Gate) -> None:
    backoff = Backoff(first=0.5)
    for left in reversed(range(TRIES)):
        gate()
        try:
            return act()
        except TransferError as error:
            if not error.again or not left:
                raise
            time.sleep(backoff.failed())


@contextmanager
def full_disk() -> Iterator[None]:
    """Turns the error of a full disk into a failure that costs the user no attempt."""
    try:
        yield
    except OSError as error:
        if is_full(error):
            raise JobFailed(PilotError.NO_LOCAL_SPACE, str(error)) from error
        raise
