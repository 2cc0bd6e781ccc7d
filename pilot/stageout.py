"""After the payload: its outputs are found, wildcards packed, and all of them stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from culm.core import names
from culm.core.archives import files_below, pack
from culm.core.errors import CulmError
from culm.wire.codec import broken_rule, parse_json
from culm.wire.error_codes import PilotError, words
from culm.wire.job_spec import LOG_STREAM, JobOutput, JobSpec
from culm.wire.reports import MAX_METADATA, OutputFile
from pilot.copy_tools import CopyTools, Gate
from pilot.errors import JobFailed
from pilot.libs import pack_lib
from pilot.transfer import bring_out, full_disk
from pilot.transforms.outputs import STDERR, STDOUT, files_of, is_inside
from pilot.workdir import JobDirectory

USER_METADATA = "userJobMetadata.json"
LIB = "lib"
_OWN = frozenset({STDOUT, STDERR})


@dataclass(frozen=True, slots=True)
class Found:
    """An output and the local files that are it."""

    output: JobOutput
    files: tuple[Path, ...]


def find_outputs(spec: JobSpec, work: Path) -> list[Found]:
    """The files of every output but the log; a lib is the work directory as a whole.

    Raises:
        JobFailed: an output is missing; the words name all that are.
    """
    inputs = frozenset(item.lfn for item in spec.inputs)
    found = [
        Found(output, _files_of(output, work, inputs))
        for output in spec.outputs
        if output.kind != "log"
    ]
    missing = [each.output.local_name for each in found if not each.files]
    if missing:
        code = PilotError.MISSING_OUTPUT_FILE
        raise JobFailed(code, f"{words(code)}: {', '.join(missing)}")
    return found


def _files_of(output: JobOutput, work: Path, inputs: frozenset[str]) -> tuple[Path, ...]:
    return (work,) if output.kind == LIB else files_of(output.local_name, work, inputs)


def stage_out(found: list[Found], scratch: Path, tools: CopyTools, gate: Gate) -> list[OutputFile]:
    """Store every output; what was stored, in the order of the job's outputs.

    `scratch` is a path outside the work directory, for a tarball; nothing is left there.

    Raises:
        JobFailed: one could not be stored.
    """
    return [_store(each, scratch, tools, gate) for each in found]


def _store(found: Found, scratch: Path, tools: CopyTools, gate: Gate) -> OutputFile:
    if found.output.kind == LIB:
        try:
            pack_lib(found.output, found.files[0], scratch)
            return _stored(found.output, scratch, tools, gate)
        finally:
            scratch.unlink(missing_ok=True)
    if not names.is_pattern(found.output.local_name):
        return _stored(found.output, found.files[0], tools, gate)
    try:
        with full_disk():
            pack([(path.name, path) for path in found.files], scratch, level=1)
        return _stored(found.output, scratch, tools, gate)
    finally:
        scratch.unlink(missing_ok=True)


def _stored(output: JobOutput, source: Path, tools: CopyTools, gate: Gate) -> OutputFile:
    content = bring_out(tools, source, output.url, gate)
    return OutputFile(lfn=output.lfn, size_bytes=content.size_bytes, adler32=content.adler32)


@dataclass(frozen=True, slots=True)
class Left:
    """What a payload left: its directory, the outputs in it, and what had come with a lib file."""

    directory: JobDirectory
    outputs: list[Found]
    lib_names: frozenset[str] = frozenset()


def stage_out_log(spec: JobSpec, left: Left, tools: CopyTools, gate: Gate) -> list[OutputFile]:
    """Pack the work directory without what has its own place, and store it; empty if none is asked.

    That is inputs (but logs that are merged), outputs and what came with a lib file. A build leaves
    everything to its lib: only what it printed is packed. Links are left out: they would lead to
    somewhere else when the log is unpacked.

    Raises:
        JobFailed: it could not be packed or stored.
    """
    logs = [output for output in spec.outputs if output.kind == "log"]
    if not logs:
        return []
    archive = left.directory.beside("log.tgz")
    try:
        pack(_log_files(spec, left), archive, level=1)
        return [_stored(log, archive, tools, gate) for log in logs]
    except OSError as error:
        code = PilotError.LOG_FILE_CREATION_FAILURE
        raise JobFailed(code, f"{words(code)}: {error}") from error
    finally:
        archive.unlink(missing_ok=True)


def _log_files(spec: JobSpec, left: Left) -> list[tuple[str, Path]]:
    left_out = {item.lfn for item in spec.inputs if item.stream != LOG_STREAM} | left.lib_names
    left_out |= {path.name for each in left.outputs for path in each.files}
    left_out |= {saved.local_name for saved in spec.saved}
    files = files_below(left.directory.work, leave_out=left_out, skip_links=True)
    is_build = any(output.kind == LIB for output in spec.outputs)
    return [(name, path) for name, path in files if not is_build or name in _OWN]


def user_metadata(work: Path) -> str | None:
    """The text of `userJobMetadata.json`, or None if there is none.

    Raises:
        JobFailed: it is not a JSON document of less than a megabyte.
    """
    return small_json(work, USER_METADATA, MAX_METADATA)


def small_json(work: Path, name: str, max_bytes: int) -> str | None:
    """The text of a small JSON file of the payload's, or None if there is none.

    Raises:
        JobFailed: it is not a JSON document of less than so many bytes.
    """
    path = work / name
    if not is_inside(path, work):
        return None
    size = path.stat().st_size
    if size >= max_bytes:
        raise JobFailed(
            PilotError.OUTPUT_FILE_TOO_LARGE,
            f"{name} has {size} bytes, less than {max_bytes} is allowed",
        )
    body = path.read_bytes()
    try:
        parse_json(body, name)
    except CulmError as error:
        raise JobFailed(PilotError.PAYLOAD_EXECUTION_FAILURE, str(error)) from error
    text = body.decode("utf-8")
    fault = broken_rule(text, {"multiline": True, "longest": max_bytes})
    if fault:
        raise JobFailed(PilotError.PAYLOAD_EXECUTION_FAILURE, f"{name}: {fault}")
    return text
