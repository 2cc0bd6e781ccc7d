"""Before the payload: is the job one that can be run, its sandbox, its input files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from culm.core import names
from culm.wire.error_codes import PilotError
from culm.wire.job_spec import JobInput, JobSpec
from pilot.copy_tools import CopyTools, Gate
from pilot.errors import JobFailed
from pilot.in_place import link_in
from pilot.libs import unpack_lib
from pilot.sandboxes import Sandboxes
from pilot.transfer import bring_in, full_disk
from pilot.transforms.outputs import STDERR, STDOUT


def verify(spec: JobSpec) -> None:
    """Return if every name in a job stays inside its directory and stands for one thing.

    Raises:
        JobFailed: with every fault.
    """
    faults = list(_faults(spec))
    if faults:
        raise JobFailed(PilotError.SETUP_FAILURE, f"the job cannot be run: {'; '.join(faults)}")


def _faults(spec: JobSpec) -> Iterator[str]:
    if not spec.command.strip() or "\0" in spec.command:
        yield "its command is empty or holds a NUL"
    seen: dict[str, JobInput] = {}
    for item in spec.inputs:
        if not names.LFN.fullmatch(item.lfn):
            yield f"input {item.lfn!a}: {names.LFN_RULE}"
        elif item.lfn in (STDOUT, STDERR) or not _is_same(seen.setdefault(item.lfn, item), item):
            yield f"input {item.lfn}: its name is taken"
    for name in (*spec.files, *(saved.local_name for saved in spec.saved)):
        if not names.LFN.fullmatch(name) or name in (STDOUT, STDERR):
            yield f"file {name!a}: {names.LFN_RULE}"
    for output in spec.outputs:
        if not names.LFN.fullmatch(output.lfn):
            yield f"output {output.lfn!a}: {names.LFN_RULE}"
        if output.kind != "log" and not names.OUTPUT.fullmatch(output.local_name):
            yield f"output {output.local_name!a}: {names.LFN_RULE}"


def _is_same(one: JobInput, other: JobInput) -> bool:
    """Whether two inputs are one file, as where two streams of a job share it."""
    return (one.urls, one.adler32) == (other.urls, other.adler32)


@dataclass(frozen=True, slots=True)
class Staged:
    """What was brought in: the inputs' bytes, and the names of what came with a lib file."""

    input_bytes: int = 0
    lib_names: frozenset[str] = frozenset()


def stage_in(
    spec: JobSpec, work: Path, tools: CopyTools, sandboxes: Sandboxes, gate: Gate
) -> Staged:
    """Fill a work directory: sandbox or lib, the inputs over it, the job's own files last.

    Inputs are copied, or linked where the job may read them in place and that does no harm.

    Raises:
        JobFailed: something could not be had.
    """
    if spec.sandbox is not None:
        sandboxes.unpack(spec.sandbox, work, gate)
    lib_names = unpack_lib(spec.lib, work, tools, gate) if spec.lib else frozenset()
    total = 0
    for item in {item.lfn: item for item in spec.inputs}.values():
        target = work / item.lfn
        linked = link_in(item, target) if spec.reads_directly else None
        total += bring_in(tools, item, target, gate).size_bytes if linked is None else linked
    for name, text in spec.files.items():
        _write(work / name, text)
    return Staged(total, lib_names)


def _write(path: Path, text: str) -> None:
    with full_disk():
        # Not through a link that a sandbox brought, wherever it leads.
        path.unlink(missing_ok=True)
        path.write_text(text, encoding="utf-8")
