"""Prun: what a user says to `prun`, and the task specification that it means.

Each field of `Prun` is an option of `culm prun` too: its metadata holds the spelling that PanDA
users know, the words of its help, and its group there (documentation, 4.1.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from culm.core.errors import CulmError, FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.core.units import parse_duration, parse_megabytes, parse_size
from culm.wire.codec import decode, encode
from culm.wire.task_spec import InputStream, TaskSpec

GROUPS = {
    "run": "What to run",
    "input": "Input",
    "output": "Output",
    "merge": "How output is merged",
    "split": "How to split",
    "build": "What is built before",
    "place": "Where and with what",
    "share": "Whose share of the computing power (production role)",
    "files": "Files that are sent along",
}


def option(group: str, flag: str, words: str) -> dict[str, str]:
    """The metadata of a field that is an option."""
    return {"group": group, "flag": flag, "help": words}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prun:
    """The options of a submission; lists are comma-separated, as on the command line."""

    exec: str = field(
        metadata=option(
            "run",
            "--exec",
            "What each job runs. Replaced in it: %IN, %IN2 (file names), %OUT, %RNDM:base, "
            "%MAXEVENTS, %SKIPEVENTS, %FIRSTEVENT:base.",
        )
    )
    max_attempt: int = field(
        default=3, metadata=option("run", "--maxAttempt", "How often each input is tried.")
    )
    parent_task_id: int | None = field(
        default=None,
        metadata=option(
            "run", "--parentTaskID", "The task that is producing --inDS: run beside it."
        ),
    )
    priority: int = field(
        default=1000,
        metadata=option(
            "run", "--priority", "From 900 to 1100 (production: from 0); more is sooner."
        ),
    )
    in_ds: str | None = field(
        default=None, metadata=option("input", "--inDS", "Input datasets, comma-separated.")
    )
    secondary_dss: str | None = field(
        default=None,
        metadata=option(
            "input",
            "--secondaryDSs",
            "More input streams, comma-separated: Stream:nFilesPerJob:Dataset[:pattern[:nSkip]]. "
            "A colon in a name is written \\:.",
        ),
    )
    reusable_secondary: str | None = field(
        default=None,
        metadata=option(
            "input",
            "--reusableSecondary",
            "Use only the files of these streams again when they are used up, comma-separated; "
            "each file of the others goes to one job (default: all are used again).",
        ),
    )
    no_input: bool = field(
        default=False, metadata=option("input", "--noInput", "Say that there is no input.")
    )
    match: str | None = field(
        default=None,
        metadata=option("input", "--match", "Take only files whose names match: *AOD*,*r123*."),
    )
    anti_match: str | None = field(
        default=None, metadata=option("input", "--antiMatch", "Leave out files whose names match.")
    )
    n_files: int | None = field(
        default=None, metadata=option("input", "--nFiles", "Use at most so many files.")
    )
    n_skip_files: int = field(
        default=0, metadata=option("input", "--nSkipFiles", "Leave out so many files at the start.")
    )
    force_staged: bool = field(
        default=False,
        metadata=option(
            "input",
            "--forceStaged",
            "Copy input to the job's directory, also where the queue lets jobs read it in place.",
        ),
    )
    out_ds: str | None = field(
        default=None,
        metadata=option(
            "output",
            "--outDS",
            "The name of the task and its output: user.<you>.… (default: random).",
        ),
    )
    outputs: str | None = field(
        default=None,
        metadata=option(
            "output",
            "--outputs",
            "Files that each job writes, comma-separated; those of a wildcard become one tarball.",
        ),
    )
    dest_se: str | None = field(
        default=None,
        metadata=option("output", "--destSE", "The storage endpoint that all output goes to."),
    )
    nucleus: str | None = field(
        default=None, metadata=option("output", "--nucleus", "The site that all output goes to.")
    )
    gather: bool = field(
        default=False,
        metadata=option(
            "output", "--gather", "Gather the output at one nucleus, which brokerage chooses."
        ),
    )
    merge_output: bool = field(
        default=False,
        metadata=option("merge", "--mergeOutput", "Merge the outputs of many jobs into one."),
    )
    merge_script: str | None = field(
        default=None,
        metadata=option(
            "merge",
            "--mergeScript",
            "What merges: 'your_merger.py -o %OUT -i %IN' (default: hadd for .root, cat for "
            "text, else a tarball).",
        ),
    )
    n_files_per_merge_job: int | None = field(
        default=None,
        metadata=option(
            "merge", "--nFilesPerMergeJob", "Merge the outputs of so many jobs (default: 50)."
        ),
    )
    n_gb_per_merge_job: float | None = field(
        default=None,
        metadata=option("merge", "--nGBPerMergeJob", "Merge at most so many GB (default: 5)."),
    )
    n_events_per_merge_job: int | None = field(
        default=None,
        metadata=option("merge", "--nEventsPerMergeJob", "Merge at most so many events."),
    )
    n_jobs: int | None = field(default=None, metadata=option("split", "--nJobs", "How many jobs."))
    n_files_per_job: int | None = field(
        default=None, metadata=option("split", "--nFilesPerJob", "How many input files a job.")
    )
    n_gb_per_job: float | None = field(
        default=None, metadata=option("split", "--nGBPerJob", "At most so many GB of input a job.")
    )
    n_events: int | None = field(
        default=None, metadata=option("split", "--nEvents", "How many events in all.")
    )
    n_events_per_job: int | None = field(
        default=None, metadata=option("split", "--nEventsPerJob", "How many events a job.")
    )
    n_events_per_file: int | None = field(
        default=None,
        metadata=option("split", "--nEventsPerFile", "How many events an input file holds."),
    )
    max_n_files_per_job: int | None = field(
        default=None,
        metadata=option(
            "split", "--maxNFilesPerJob", "At most so many files a job (default: 200)."
        ),
    )
    events_across_files: bool = field(
        default=False,
        metadata=option(
            "split", "--eventsAcrossFiles", "With --nEventsPerJob: reach over the ends of files."
        ),
    )
    skip_scout: bool = field(
        default=False,
        metadata=option("split", "--skipScout", "Make all jobs at once: no scouts go first."),
    )
    bexec: str | None = field(
        default=None,
        metadata=option(
            "build",
            "--bexec",
            "Run this once a queue, before the jobs there: they begin with what it leaves.",
        ),
    )
    no_build: bool = field(
        default=False,
        metadata=option("build", "--noBuild", "Say that nothing is built (so it is anyway)."),
    )
    site: str | None = field(
        default=None, metadata=option("place", "--site", "Run at this queue or site only.")
    )
    excluded_site: str | None = field(
        default=None,
        metadata=option("place", "--excludedSite", "Never run at these, comma-separated."),
    )
    t1_weight: int = field(
        default=0,
        metadata=option("place", "--t1Weight", "-1: run where the output is gathered only."),
    )
    ip_connectivity: str | None = field(
        default=None,
        metadata=option(
            "place", "--ipConnectivity", "Network that jobs need: http, full, full#IPv6."
        ),
    )
    direct_access_only: bool = field(
        default=False,
        metadata=option(
            "input", "--directAccessOnly", "Only queues whose jobs can read input where it is."
        ),
    )
    n_core: int = field(default=1, metadata=option("place", "--nCore", "Cores a job uses."))
    memory: str = field(
        default="2000", metadata=option("place", "--memory", "Memory a job needs: 2000 (MB), 4GB.")
    )
    disk: str = field(
        default="10000", metadata=option("place", "--disk", "Disk a job needs: 10000 (MB), 50GB.")
    )
    walltime: str = field(
        default="1d",
        metadata=option("place", "--walltime", "Time a job needs at most: 3600, 2h, 1d."),
    )
    architecture: str | None = field(
        default=None,
        metadata=option(
            "place",
            "--architecture",
            "Platform and hardware that jobs need: [PLATFORM][@BASE][#CPU][&GPU], like "
            "x86_64-el9-gcc13-opt or #x86_64-intel&nvidia.",
        ),
    )
    release: str | None = field(
        default=None,
        metadata=option(
            "place", "--release", "Software that queues must have: PROJECT-VERSION, Athena-21.0.38."
        ),
    )
    vo: str | None = field(
        default=None, metadata=option("share", "--vo", "The organisation that the task is for.")
    )
    working_group: str | None = field(
        default=None,
        metadata=option("share", "--workingGroup", "The working group that the task is for."),
    )
    activity: str | None = field(
        default=None,
        metadata=option("share", "--prodSourceLabel", "What the task is: user, managed, …"),
    )
    processing_type: str | None = field(
        default=None, metadata=option("share", "--processingType", "The kind of processing.")
    )
    campaign: str | None = field(
        default=None, metadata=option("share", "--campaign", "The campaign it belongs to.")
    )
    work_dir: str = field(
        default=".", metadata=option("files", "--workDir", "The directory that is sent along.")
    )
    no_sandbox: bool = field(
        default=False, metadata=option("files", "--noSandbox", "Send no files along.")
    )
    max_file_size: str = field(
        default="10MB",
        metadata=option("files", "--maxFileSize", "Files over this are not sent."),
    )
    ext_file: str | None = field(
        default=None,
        metadata=option("files", "--extFile", "Patterns of files to send even if they are big."),
    )
    exclude_file: str | None = field(
        default=None, metadata=option("files", "--excludeFile", "Patterns of files not to send.")
    )


OPTIONS: Mapping[str, str] = {f.name: f.metadata["flag"] for f in fields(Prun)}
"""The flag of each field."""

_FLAGS_OF_SPEC = {
    "Idempotency-Key": "--key",
    "name": "--outDS",
    "command": "--exec",
    "build_command": "--bexec",
    "n_gb_per_job": "--nGBPerJob",
    "excluded_sites": "--excludedSite",
    "core_count": "--nCore",
    "memory_mb": "--memory",
    "disk_mb": "--disk",
    "walltime_seconds": "--walltime",
    "max_attempts": "--maxAttempt",
    "parent_task_id": "--parentTaskID",
    "max_files_per_job": "--maxNFilesPerJob",
    "destination": "--destSE",
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
    if "exec" not in found:
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
    spec = TaskSpec(
        name=name,
        command=options.exec,
        inputs=inputs,
        outputs=listed(options.outputs),
        sandbox=sandbox,
        build_command=options.bexec,
        merge_output=options.merge_output,
        merge_script=options.merge_script,
        n_files_per_merge_job=options.n_files_per_merge_job,
        n_gb_per_merge_job=options.n_gb_per_merge_job,
        n_events_per_merge_job=options.n_events_per_merge_job,
        n_jobs=options.n_jobs,
        n_files_per_job=options.n_files_per_job,
        n_gb_per_job=options.n_gb_per_job,
        n_events=options.n_events,
        n_events_per_job=options.n_events_per_job,
        n_events_per_file=options.n_events_per_file,
        max_files_per_job=options.max_n_files_per_job,
        events_across_files=options.events_across_files,
        skip_scouts=options.skip_scout,
        destination=options.dest_se,
        nucleus=options.nucleus,
        gather=options.gather,
        t1_weight=options.t1_weight,
        ip_connectivity=options.ip_connectivity,
        direct_access_only=options.direct_access_only,
        site=options.site,
        excluded_sites=listed(options.excluded_site),
        core_count=options.n_core,
        max_attempts=options.max_attempt,
        priority=options.priority,
        parent_task_id=options.parent_task_id,
        architecture=options.architecture,
        release=options.release,
        force_staged=options.force_staged,
        vo=options.vo,
        working_group=options.working_group,
        activity=options.activity,
        processing_type=options.processing_type,
        campaign=options.campaign,
        memory_mb=sizes["memory_mb"],
        disk_mb=sizes["disk_mb"],
        walltime_seconds=sizes["walltime_seconds"],
    )
    return _checked(spec)


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
