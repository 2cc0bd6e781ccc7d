"""What options of `prun` mean: the task specification, and whose name it bears."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from culm.client.option_files import named
from culm.client.prun_options import OPTIONS, Prun
from culm.core.errors import CulmError, FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.core.units import parse_duration, parse_megabytes, parse_size
from culm.wire.codec import decode, encode
from culm.wire.task_spec import InputStream, TaskSpec

_OTHERWISE_NAMED: Mapping[str, str] = {
    "command": "exec",
    "build_command": "bexec",
    "max_files_per_job": "max_n_files_per_job",
    "skip_scouts": "skip_scout",
    "destination": "dest_se",
    "core_count": "n_core",
    "max_attempts": "max_attempt",
}
"""Fields of a specification that are an option, as it is, of another name."""
_AS_THEY_ARE: Mapping[str, str] = {
    **{f.name: f.name for f in fields(TaskSpec) if f.name in OPTIONS and f.name != "outputs"},
    **_OTHERWISE_NAMED,
}
_FLAGS_OF_SPEC = {
    **{name: OPTIONS[own] for name, own in _OTHERWISE_NAMED.items()},
    "Idempotency-Key": "--key",
    "name": "--outDS",
    "excluded_sites": "--excludedSite",
    "memory_mb": "--memory",
    "disk_mb": "--disk",
    "walltime_seconds": "--walltime",
}
_FLAGS_OF_STREAM = {"datasets": "--inDS", "n_files": "--nFiles", "n_skip": "--nSkipFiles"}


def prun(**options: Any) -> Prun:
    """Options by name, as Python (`in_ds`) or PanDA (`inDS`) spells them; lists may be lists.

    Raises:
        InvalidRequest: an option is unknown; the nearest one is named.
    """
    spelled = {flag.removeprefix("--"): name for name, flag in OPTIONS.items()}
    found: dict[str, Any] = {}
    for name, value in options.items():
        known = spelled.get(name, name)
        if known not in OPTIONS:
            fault = FieldFault(name, repr(value), unknown_name(name, [*OPTIONS, *spelled]))
            raise InvalidRequest("prun does not know this option", faults=[fault])
        found[known] = ",".join(value) if isinstance(value, (list, tuple)) else value
    if "exec" not in found and found.get("load_json") is None:
        raise InvalidRequest("--exec is missing: say what each job runs")
    return Prun(**found)


def specification(options: Prun, name: str, sandbox: str | None = None) -> TaskSpec:
    """The task that these options mean, under this name, with this sandbox's digest.

    Raises:
        InvalidRequest: with a fault for every option that is wrong, named by its flag.
    """
    faults = list(_exclusive(options))
    sizes = _sizes(options, faults)
    inputs = _inputs(options, faults)
    if faults:
        raise _wrong(faults)
    plain = {name: getattr(options, own) for name, own in _AS_THEY_ARE.items()}
    spec = TaskSpec(
        name=name, sandbox=sandbox, inputs=inputs, outputs=listed(options.outputs),
        excluded_sites=listed(options.excluded_site), **sizes, **plain,
    )  # fmt: skip
    return _checked(spec)


def changes_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options with new values as changes of a task's specification; None takes one away.

    Raises:
        InvalidRequest: an option is unknown, wrong, or says nothing about a task that is there.
    """
    given = named(Prun, {name: value for name, value in options.items() if value is not None})
    gone = named(Prun, {name: "" for name, value in options.items() if value is None}, typed=False)
    fields_of = {own: name for name, own in _AS_THEY_ARE.items()} | _OF_MANY
    faults = [
        FieldFault(OPTIONS[name], "given", "cannot be changed: submit another task")
        for name in [*given, *gone] if name not in fields_of
    ]  # fmt: skip
    sizes = _sizes(replace(Prun(), **{n: v for n, v in given.items() if n in _SIZES}), faults)
    if faults:
        raise _wrong(faults)
    changes: dict[str, Any] = {fields_of[name]: None for name in gone}
    for name, value in given.items():
        if name in _SIZES:
            changes[fields_of[name]] = sizes[fields_of[name]]
        else:
            changes[fields_of[name]] = list(listed(value)) if name in _LISTS else value
    return changes


_SIZES = {"memory": "memory_mb", "disk": "disk_mb", "walltime": "walltime_seconds"}
_LISTS = {"excluded_site": "excluded_sites"}
_OF_MANY = _SIZES | _LISTS
"""Options that become a field of another form."""


def listed(text: str | None) -> tuple[str, ...]:
    """The parts of a comma-separated text, stripped, without empty ones."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def task_name(options: Prun, user: str, roles: tuple[str, ...], suffix: str) -> str:
    """The name of the task: `--outDS`, or one of the user's with a random suffix.

    Raises:
        InvalidRequest: the name is in another user's space, and the role is not production.
    """
    if options.out_ds is None:
        return f"user.{user}.{suffix}"
    name = options.out_ds.strip().removesuffix("/")
    if "production" in roles or name.startswith(f"user.{user}."):
        return name
    raise _wrong([FieldFault("--outDS", repr(name), f"must begin with user.{user}.")])


def _exclusive(options: Prun) -> Iterator[FieldFault]:
    if options.no_input and (options.in_ds is not None or options.secondary_dss is not None):
        yield FieldFault("--noInput", "true", "not together with --inDS or --secondaryDSs")
    if options.no_sandbox and options.ext_file is not None:
        yield FieldFault("--noSandbox", "true", "not together with --extFile")
    if options.bexec is not None and options.no_build:
        yield FieldFault("--noBuild", "true", "not together with --bexec")
    if options.bexec is not None and options.no_sandbox:
        yield FieldFault(
            "--bexec", repr(options.bexec), "builds what is sent: not with --noSandbox"
        )
    if options.in_ds is None:
        for name in ("secondary_dss", "reusable_secondary", "match", "anti_match", "n_files"):
            if getattr(options, name) is not None:
                yield FieldFault(OPTIONS[name], str(getattr(options, name)), "needs --inDS")
        if options.n_skip_files:
            yield FieldFault("--nSkipFiles", str(options.n_skip_files), "needs --inDS")
    elif not listed(options.in_ds):
        yield FieldFault("--inDS", repr(options.in_ds), "name at least one dataset")


def _sizes(options: Prun, faults: list[FieldFault]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, flag, text, parse in (
        ("memory_mb", "--memory", options.memory, parse_megabytes),
        ("disk_mb", "--disk", options.disk, parse_megabytes),
        ("walltime_seconds", "--walltime", options.walltime, parse_duration),
        ("", "--maxFileSize", options.max_file_size, parse_size),
    ):
        try:
            found[name] = int(parse(str(text)))
        except InvalidRequest as error:
            faults.append(FieldFault(flag, repr(text), error.faults[0].needed))
    found.pop("", None)  # no part of the task: only looked at
    return found


def _inputs(options: Prun, faults: list[FieldFault]) -> tuple[InputStream, ...]:
    if not listed(options.in_ds):
        return ()
    primary = InputStream(
        stream="IN",
        datasets=tuple(name.removesuffix(",") for name in listed(options.in_ds)),
        n_files=options.n_files,
        n_skip=options.n_skip_files,
        match=listed(options.match),
        anti_match=listed(options.anti_match),
    )
    secondaries = tuple(secondary_streams(options.secondary_dss, faults))
    return (primary, *_reusable(options.reusable_secondary, secondaries, faults))


def _reusable(
    text: str | None, streams: tuple[InputStream, ...], faults: list[FieldFault]
) -> Iterator[InputStream]:
    """The streams, marked as `--reusableSecondary` says."""
    if text is None:
        yield from streams
        return
    named = {name.removeprefix("%") for name in listed(text)}
    known = [stream.stream for stream in streams]
    for name in sorted(named.difference(known)):
        needed = unknown_name(name, known) if known else "needs --secondaryDSs"
        faults.append(FieldFault("--reusableSecondary", name, needed))
    yield from (replace(stream, reusable=stream.stream in named) for stream in streams)


def secondary_streams(text: str | None, faults: list[FieldFault]) -> Iterator[InputStream]:
    """The streams of `--secondaryDSs`: `Stream:nFilesPerJob:Dataset[:pattern[:nSkip]]`, …"""
    for part in listed(text):
        pieces = [piece.replace("\\:", ":") for piece in re.split(r"(?<!\\):", part)]
        stream, count, dataset, pattern, skip = (
            [*pieces, "", ""][:5] if len(pieces) > 2 else [""] * 5
        )
        right = 3 <= len(pieces) <= 5 and count.isdecimal() and (not skip or skip.isdecimal())
        if not right or int(count) < 1:
            needed = "Stream:nFilesPerJob:Dataset[:pattern[:nSkip]] is needed"
            faults.append(FieldFault("--secondaryDSs", repr(part), needed))
            continue
        yield InputStream(
            stream=stream.removeprefix("%"),
            datasets=(dataset,),
            n_files_per_job=int(count),
            match=(pattern,) if pattern else (),
            n_skip=int(skip or 0),
        )


def by_flags(error: InvalidRequest) -> InvalidRequest:
    """The same error with its faults named by the options that they came from."""
    faults = [_by_flag(fault) for fault in error.faults]
    return InvalidRequest(error.message, faults=faults, hint=error.hint)


def _checked(spec: TaskSpec) -> TaskSpec:
    """The specification, if its types, limits and rules hold; faults named by their flags."""
    try:
        return decode(TaskSpec, encode(spec), "the task").check()
    except InvalidRequest as error:
        raise _wrong([_by_flag(fault) for fault in error.faults]) from error


def _by_flag(fault: FieldFault) -> FieldFault:
    stream = re.fullmatch(r"inputs\[(\d+)\]\.(\w+)(\[\d+\])?", fault.field)
    base = re.sub(r"\[\d+\]$", "", fault.field)
    if stream and stream[1] != "0":
        flag = "--secondaryDSs"
    elif stream:
        flag = _FLAGS_OF_STREAM.get(stream[2], OPTIONS.get(stream[2], "--inDS"))
    else:
        flag = _FLAGS_OF_SPEC.get(base, OPTIONS.get(base, fault.field))
    return FieldFault(flag, fault.value, _spelled(fault.needed))


def _spelled(words: str) -> str:
    """Words that name fields, with their flags instead."""
    return re.sub(r"\b[a-z]+(_[a-z]+)+\b", lambda found: OPTIONS.get(found[0], found[0]), words)


def _wrong(faults: list[FieldFault]) -> CulmError:
    return InvalidRequest(
        "the task cannot be submitted like this", faults=faults, hint="culm prun --help"
    )
