"""Task parameters → TaskSpec: any task of PanDA's client becomes one of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.codec import decode, encode
from culm.wire.task_spec import TaskSpec
from server.panda.parameters.faults import fault, refused
from server.panda.parameters.fields import (
    need_fields,
    place_fields,
    plain_fields,
    priority_of,
    unknown_faults,
)
from server.panda.parameters.job_line import HPO, RUN, JobLine, job_line
from server.panda.parameters.lines import Options, read_line
from server.panda.parameters.outputs import output_fields
from server.panda.parameters.search import search_fields
from server.panda.parameters.streams import input_streams

TRANSFORMS = re.compile(r".*/trf/user/(run(?:Gen|HPO))-00-00-\d\d")
"""Where PanDA's client looks for a transform; the server chooses it anyway."""

BUILD = Options(
    name="buildGen",
    valued=frozenset({"-i", "-o", "-r", "--sourceURL", "--bexec"}),
    unmeant=frozenset({"-i", "-o", "--sourceURL"}),
)
MERGE = Options(
    name="runMerge",
    valued=frozenset({"-r", "-j", "-a", "-l", "--sourceURL"}),
    flags=frozenset({"--mergeSingleFile"}),
    unmeant=frozenset({"-a", "-l", "--sourceURL", "--mergeSingleFile"}),
)

SandboxOf = Callable[[str], str | None]
"""The digest of the archive that the user sent under a name; None if there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What the translation needs to know of whoever submits."""

    sandbox_of: SandboxOf
    may_claim: bool
    parent_task_id: int | None = None


def task_spec(parameters: Mapping[str, Any], asker: Asker) -> TaskSpec:
    """The specification of the task that these parameters describe.

    Raises:
        InvalidRequest: with a fault for every parameter that is wrong or that cannot be heeded.
    """
    name = parameters.get("taskName")
    faults = [*unknown_faults(parameters)]
    if not isinstance(name, str) or not name.strip("/"):
        raise refused("without a name", [fault("taskName", name, "user.<nickname>.… is needed")])
    name = name.removesuffix("/")
    is_search = bool(parameters.get("hpoWorkflow"))
    line = job_line(parameters.get("jobParameters"), HPO if is_search else RUN, faults)
    faults += _transform_faults(parameters)
    try:
        found = _fields(parameters, line, name, asker, faults)
    except (TypeError, ValueError, AttributeError) as error:
        faults.append(fault("task_parameters", type(error).__name__, f"values that fit: {error}"))
        found = {}
    if faults:
        raise refused(name, faults)
    return _decoded(name, found)


def _decoded(name: str, found: Mapping[str, Any]) -> TaskSpec:
    document = {key: value for key, value in found.items() if value is not None}
    try:
        return decode(TaskSpec, {"name": name} | document, "the task").check()
    except InvalidRequest as error:
        raise refused(name, error.faults) from error


def _fields(
    parameters: Mapping[str, Any], line: JobLine, name: str, asker: Asker,
    faults: list[FieldFault],
) -> dict[str, Any]:  # fmt: skip
    found = {
        **plain_fields(parameters),
        **place_fields(parameters, faults),
        **need_fields(parameters, faults),
        **_claims(parameters, asker),
        "command": _command(line, faults),
        "priority": priority_of(parameters),
        "parent_task_id": asker.parent_task_id,
        "sandbox": _sandbox(parameters, line, asker, faults),
        "build_command": _build_command(parameters, faults),
        "merge_script": _merge_script(parameters, faults),
    }
    if parameters.get("hpoWorkflow"):
        for ignored in ("n_events", "n_events_per_job", "max_files_per_job", "force_staged"):
            found.pop(ignored, None)
        return found | search_fields(parameters, line, faults)
    found["container_image"] = (
        parameters.get("container_name") or line.options.get("--containerImage") or None
    )
    if line.inputs:
        streams = [*input_streams(line.inputs, parameters.get("nFiles") or None, faults)]
        found["inputs"] = [encode(stream) for stream in streams]
    else:
        found.pop("max_files_per_job", None)
        if found.get("n_events_per_job") == 1 and "n_events" in found:
            # The client's way to say --nJobs: each job has one event.
            found["n_jobs"] = found.pop("n_events")
            found.pop("n_events_per_job")
    return found | output_fields(line, name, faults)


def _claims(parameters: Mapping[str, Any], asker: Asker) -> dict[str, Any]:
    """For whose share the task counts. The client names an organisation in every task (phpo even
    one that it chose itself): of those who may not claim, the token says for whom they act.
    """
    label = parameters.get("prodSourceLabel") or None
    own_vo = asker.may_claim and not parameters.get("hpoWorkflow")
    return {"activity": label, "vo": parameters.get("vo") if own_vo else None}


def _command(line: JobLine, faults: list[FieldFault]) -> str:
    folder = line.options.get("-r", ".")
    if folder.rstrip("/") not in (".", ""):
        faults.append(fault("jobParameters -r", folder, "jobs start where their files are: -r ."))
    written = line.options.get("--writeInputToTxt")
    if written is None or "--inSampleFile" in line.options:
        return line.command
    lists = []
    for part in written.split(","):
        stream, _, target = part.partition(":")
        lists.append(f"echo %{stream} | tr , '\\n' > {target or 'input.txt'}")
    return " && ".join([*lists, line.command])


def _sandbox(
    parameters: Mapping[str, Any], line: JobLine, asker: Asker, faults: list[FieldFault]
) -> str | None:
    build = parameters.get("buildSpec") or {}
    name = line.options.get("-a") or build.get("archiveName")
    if name in (None, "None", ""):
        return None
    digest = asker.sandbox_of(str(name))
    if digest is None:
        faults.append(fault("sandbox", name, "no such file of yours here: it was not uploaded"))
    return digest


def _build_command(parameters: Mapping[str, Any], faults: list[FieldFault]) -> str | None:
    build = parameters.get("buildSpec")
    if not build:
        return None
    text = read_line(str(build.get("jobParameters", "")), BUILD, faults).get("--bexec")
    return None if text is None else unquote(text)


def _merge_script(parameters: Mapping[str, Any], faults: list[FieldFault]) -> str | None:
    merge = parameters.get("mergeSpec")
    if not merge:
        return None
    if merge.get("transPath"):
        faults.append(fault("mergeSpec.transPath", merge["transPath"], "give a --mergeScript"))
    return read_line(str(merge.get("jobParameters", "")), MERGE, faults).get("-j") or None


def _transform_faults(parameters: Mapping[str, Any]) -> Iterator[FieldFault]:
    path = parameters.get("transPath")
    known = TRANSFORMS.fullmatch(str(path)) if path else None
    if path and known is None:
        yield fault("transPath", path, "leave it out: runGen and runHPO are the server's own")
