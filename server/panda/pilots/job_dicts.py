"""A job of ours as PanDA's pilot reads it: one flat object, its lists joined by commas. Pure."""

from __future__ import annotations

import json
import shlex
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from culm.wire.job_spec import LOG_STREAM, JobInput, JobOutput, JobSpec
from server.panda.pilots import transforms
from server.panda.pilots.landing import scope_of
from tasks.views.guest_jobs import GuestJob

LONGEST_LINE = 60_000
"""The line that starts a job is one argument of a shell, of at most 128 KiB on Linux; their
pilot quotes it once more.
"""
ARGUMENTS, FILES = "arguments.json", "files.tgz"
"""What the program fetches beside a sandbox: a line that is too long, and the job's own files."""
_NULL = "NULL"
_TRANSFORMS = {"build": transforms.BUILD, "merge": transforms.MERGE}
_COMMANDS = {transforms.BUILD: "--bexec", transforms.MERGE: "-j"}
_PROCESSING = "panda-client-2.2.0-jedi-run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a job's dictionary says beside the job: where its program fetches the job's files,
    and the endpoint that its input is landed at.
    """

    job: GuestJob
    source_url: str
    input_endpoint: str


def job_dict(spec: JobSpec, terms: Terms) -> dict[str, Any]:
    """This job as getJob answers it (keys as in PanDA's `Protocol.appendJob`)."""
    log = next((output for output in spec.outputs if output.kind == "log"), None)
    return _identity(spec, terms) | _inputs(spec, terms) | _outputs(spec, terms, log) | {
        "transformation": f"{transforms.HOME}/{transform_of(spec)}",
        "jobPars": line_of(spec, terms.source_url),
        "maxWalltime": spec.walltime_seconds, "maxCpuCount": 0, "minRamCount": spec.memory_mb,
        "maxDiskCount": spec.disk_mb, "coreCount": spec.core_count,
        "resource_type": terms.job.resource_type, "ioIntensity": None, "ioIntensityUnit": None,
    }  # fmt: skip


def _identity(spec: JobSpec, terms: Terms) -> dict[str, Any]:
    return {
        "PandaID": spec.job_id, "jobName": f"{spec.task_name}.{spec.job_id}", "jobsetID": 1,
        "jobDefinitionID": spec.job_id, "taskID": spec.task_id, "reqID": spec.task_id,
        "attemptNr": spec.attempt_nr, "prodSourceLabel": "user", "processingType": _PROCESSING,
        "prodUserID": terms.job.user, "currentPriority": terms.job.priority,
        "homepackage": _NULL, "swRelease": _NULL, "cmtConfig": _NULL, "cloud": _NULL,
        "nucleus": _NULL, "sourceSite": _NULL, "destinationSE": _NULL, "transferType": _NULL,
    }  # fmt: skip


def _inputs(spec: JobSpec, terms: Terms) -> dict[str, Any]:
    files = files_in(spec)
    n = len(files)
    return {
        "inFiles": ",".join(f.lfn for f in files),
        "realDatasetsIn": _joined(spec.task_name, n),
        # A GUID that depends on the file alone: the catalogue has none.
        "GUID": ",".join(str(uuid.uuid5(uuid.NAMESPACE_URL, f.lfn)) for f in files),
        "fsize": ",".join(str(f.size_bytes or 0) for f in files),
        "checksum": ",".join(f"ad:{f.adler32}" if f.adler32 else _NULL for f in files),
        "scopeIn": _joined(scope_of(spec.job_id), n),
        "ddmEndPointIn": _joined(terms.input_endpoint, n),
        # They read what is local as copies: what would be read in place has no other sign.
        "prodDBlockToken": _joined("local", n),
        "dispatchDblock": _joined(_NULL, n), "dispatchDBlockToken": _joined(_NULL, n),
        "prodDBlocks": _joined(_NULL, n),
    }  # fmt: skip


def files_in(spec: JobSpec) -> list[JobInput]:
    """The files that the pilot brings, each once, the lib file last."""
    found = {item.lfn: item for item in spec.inputs}
    return [*found.values(), *([spec.lib] if spec.lib else [])]


def _outputs(spec: JobSpec, terms: Terms, log: JobOutput | None) -> dict[str, Any]:
    n, n_plain = len(spec.outputs), sum(output is not log for output in spec.outputs)
    scope = scope_of(spec.job_id)
    datasets = ",".join(output.url.rstrip("/").rsplit("/", 2)[-2] for output in spec.outputs)
    return {
        "outFiles": ",".join(output.lfn for output in spec.outputs),
        "destinationDblock": datasets, "realDatasets": datasets,
        "destinationDBlockToken": _joined(_NULL, n), "fileDestinationSE": _joined(_NULL, n),
        "dispatchDBlockTokenForOut": _joined(_NULL, n),
        "ddmEndPointOut": _joined(terms.job.endpoint, n),
        # Their pilot takes these in the order of the files that are no log.
        "scopeOut": _joined(scope, n_plain), "scopeLog": scope,
        "logFile": log.lfn if log else "",
        "logGUID": str(uuid.uuid5(uuid.NAMESPACE_URL, log.lfn)) if log else "",
    }  # fmt: skip


def _joined(word: str, n: int) -> str:
    return ",".join([word] * n)


def transform_of(spec: JobSpec) -> str:
    """The program that runs a job of this kind."""
    searches = spec.result_name is not None
    return transforms.SEARCH if searches else _TRANSFORMS.get(spec.kind, transforms.RUN)


def line_of(spec: JobSpec, source_url: str) -> str:
    """The parameters of a job's program; of one that is too long, where the program gets it."""
    where = shlex.join(["--sourceURL", source_url])
    line = f"{where} {shlex.join(arguments_of(spec))}"
    if len(line) <= LONGEST_LINE:
        return line
    return f"{where} --argumentsFrom {ARGUMENTS}"


def arguments_of(spec: JobSpec) -> list[str]:
    """The words of the line, without where files are fetched."""
    program = transform_of(spec)
    words = ["-r", "."]
    builds = program == transforms.BUILD
    if program != transforms.MERGE:
        words = ["-j", "", *words]
    if spec.sandbox is not None:
        words += ["-i" if builds else "-a", f"{spec.sandbox.digest}.tar.gz"]
    if builds:
        lib = next(output for output in spec.outputs if output.kind == "lib")
        words += ["-o", lib.lfn]
        words += ["--maxLibBytes", str(lib.max_bytes)] if lib.max_bytes is not None else []
    else:
        words += _names(spec)
    if spec.container_image is not None:
        words += ["--image", spec.container_image]
    if spec.files:
        words += ["--files", FILES]
    if spec.result_name is not None:
        words += ["--resultFile", spec.result_name]
    return [*words, _COMMANDS.get(program, "-p"), quoted(spec.command)]


def _names(spec: JobSpec) -> list[str]:
    plain = {o.local_name: o.lfn for o in spec.outputs if o.kind != "log"}
    logs = [item.lfn for item in spec.inputs if item.stream == LOG_STREAM]
    inputs = list(dict.fromkeys(i.lfn for i in spec.inputs if i.stream != LOG_STREAM))
    words = ["-o", repr(plain)]
    words += ["-i", repr(inputs)] if inputs else []
    words += ["--logs", repr(logs)] if logs else []
    return [*words, "-l", spec.lib.lfn] if spec.lib else words


def quoted(command: str) -> str:
    """A command as PanDA's client quotes it; it never looks like an option."""
    return quote(command, safe="").replace("-", "%2D")


def arguments_text(spec: JobSpec) -> str:
    """The file `arguments.json` of a job."""
    return json.dumps(arguments_of(spec))
