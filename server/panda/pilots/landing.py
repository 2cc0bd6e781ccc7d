"""Landing areas: where PanDA's pilot finds a job's input and leaves its output.

Its tool `mv` knows one rule for paths: those of Rucio, made of a scope and a hash. We give
each job a scope of its own, so that each has a directory of its own below the storage. Input is
linked into it when the job is given out; output is put to its place when the job has ended and
its bytes were looked at. What a pilot that is no longer asked writes there harms nobody.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from culm.core.checksums import adler32_of
from culm.wire.error_codes import PilotError
from culm.wire.job_spec import JobInput, JobOutput, JobSpec
from culm.wire.reports import OutputFile
from tasks.stages.guests import held_jobs
from tasks.store.books import Books
from tasks.views.guest_jobs import shared_endpoints

AREA = ".panda"
OLD_SECONDS = 86_400.0
MOST_READ_BYTES = 8 << 30
"""Of larger files only the size is looked at: their pilot waits two minutes for an answer."""
_SCOPE = "job"


def scope_of(job_id: int) -> str:
    """The scope of a job's files."""
    return f"{_SCOPE}.{job_id}"


def place_of(directory: Path, job_id: int, lfn: str) -> Path:
    """Where their pilot looks for a file of a job, and writes one (`pilot.util.ruciopath`)."""
    digest = hashlib.md5(f"{scope_of(job_id)}:{lfn}".encode(), usedforsecurity=False).hexdigest()
    return _folder(directory, job_id) / digest[:2] / digest[2:4] / lfn


def _folder(directory: Path, job_id: int) -> Path:
    return directory / AREA / _SCOPE / str(job_id)


def local_path(item: JobInput, endpoints: Sequence[tuple[str, Path]]) -> Path | None:
    """Where an input lies in a file system that we share; None if it does nowhere."""
    for url in item.urls:
        parts = urlsplit(url)
        found = None
        if parts.scheme == "file" and parts.netloc in ("", "localhost"):
            found = Path(unquote(parts.path))
        for name, directory in endpoints:
            prefix = f"/v1/storage/{name}/"
            if url.startswith(prefix):
                found = directory / url.removeprefix(prefix)
        if found is not None and found.is_file():
            return found
    return None


def land_inputs(spec: JobSpec, sources: Sequence[tuple[str, Path]], directory: Path) -> None:
    """Link a job's input, given as (name, path), to where their pilot looks for it."""
    for lfn, source in sources:
        place = place_of(directory, spec.job_id, lfn)
        place.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            place.symlink_to(source)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a file."""

    code: PilotError
    words: str


@dataclass(frozen=True, slots=True)
class Landed:
    """Output that was put to its place, and what is wrong with the rest."""

    files: tuple[OutputFile, ...]
    faults: tuple[Fault, ...]


def take_outputs(
    job_id: int, outputs: Sequence[JobOutput], told: Sequence[OutputFile], where: tuple[str, Path]
) -> Landed:
    """Put what a job wrote to the place of each output, if its bytes are those that were told.

    `where` is the endpoint of the outputs: the prefix of its URLs, and its directory.
    """
    prefix, directory = where
    known = {output.lfn: output for output in outputs}
    taken, faults = [], []
    for file in told:
        output = known.get(file.lfn)
        if output is None:
            words = f"{file.lfn} is no output of the job"
            faults.append(Fault(PilotError.STAGE_OUT_FAILED, words))
            continue
        target = directory / output.url.removeprefix(f"{prefix}/")
        fault = _settle(place_of(directory, job_id, file.lfn), target, file)
        if fault:
            faults.append(fault)
        else:
            taken.append(file)
    return Landed(tuple(taken), tuple(faults))


def _settle(landed: Path, target: Path, told: OutputFile) -> Fault | None:
    """Move a file to its place; what is wrong with it, None if nothing is."""
    # A report that comes again finds it there already.
    source = landed if landed.exists() else target
    fault = _differs(source, told)
    if fault or source is target:
        return fault
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)
    except FileExistsError:
        if _differs(target, told):
            words = f"{told.lfn}: other bytes are at its place already"
            return Fault(PilotError.STAGE_OUT_FAILED, words)
    except OSError as error:
        words = f"{told.lfn} cannot be put to its place: {error}"
        return Fault(PilotError.STAGE_OUT_FAILED, words)
    return None


def _differs(path: Path, told: OutputFile) -> Fault | None:
    if path.is_symlink() or not path.is_file():
        words = f"{told.lfn} is not where the pilot was to write it"
        return Fault(PilotError.STAGE_OUT_FAILED, words)
    size = path.stat().st_size
    if size != told.size_bytes:
        words = f"{told.lfn} has {size} bytes, {told.size_bytes} were reported"
        return Fault(PilotError.PUT_ADLER_MISMATCH, words)
    if size <= MOST_READ_BYTES and (found := adler32_of(path)) != told.adler32:
        words = f"adler32 of {told.lfn} is {found}, {told.adler32} was reported"
        return Fault(PilotError.PUT_ADLER_MISMATCH, words)
    return None


def clear(job_id: int, directories: Sequence[Path]) -> None:
    """Remove the landing area of a job that has ended."""
    for directory in directories:
        shutil.rmtree(_folder(directory, job_id), ignore_errors=True)


def drop_old(books: Books) -> None:
    """Remove the areas of jobs that ended without a word: their pilots died."""
    with books.read() as session:
        directories = [directory for _, directory in shared_endpoints(session)]
    old = {job_id for directory in directories for job_id in _old_areas(directory)}
    if not old:
        return
    with books.read() as session:
        held = held_jobs(session, sorted(old))
    for job_id in old:
        if job_id not in held or not held[job_id].is_leased:
            clear(job_id, directories)


def _old_areas(directory: Path) -> Iterator[int]:
    before = time.time() - OLD_SECONDS
    for folder in (directory / AREA / _SCOPE).glob("[0-9]*"):
        with suppress(FileNotFoundError):  # another server cleans up, too
            if folder.name.isdecimal() and folder.stat().st_mtime < before:
                yield int(folder.name)
