"""TaskSpec: what a user asks for. The client builds it, the server stores and refines it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from culm.core import names
from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.placeholders import placeholders, streams_used
from culm.wire.resource_units import CpuTimeUnit, RamCountUnit
from culm.wire.search import SearchSpec, search_faults

MAX_JOBS = 10_000_000
MAX_FILES_PER_JOB = 100_000
LEAST_USER_PRIORITY = 900
MAX_FILES_PER_MERGE_JOB = 1000
"""Their names stand in one command, which the system takes only so long."""
USER_ACTIVITY = "user"
"""The activity (PanDA: prodSourceLabel) of what people run for themselves."""


def _rule(minimum: float | None = None, maximum: float | None = None, **rules: Any) -> Any:
    return field(default=None, metadata={"minimum": minimum, "maximum": maximum, **rules})


def _dataset(**rules: Any) -> dict[str, Any]:
    return {"pattern": names.DATASET, "rule": f"a dataset name is {names.LFN_RULE}", **rules}


@dataclass(frozen=True, slots=True, kw_only=True)
class InputStream:
    """One stream of input: `%IN` (the primary one, first) or a secondary like `%IN2`.

    `match` and `anti_match` are shell patterns, comma-separated, on file names;
    `n_skip` files are left out at the start; `n_files` is the most that is used. A secondary
    stream that is not `reusable` gives each of its files to one job only.
    """

    stream: str = field(
        default="IN",
        metadata={"pattern": names.STREAM, "rule": "a stream is IN, IN2, or upper-case letters"},
    )
    datasets: tuple[str, ...] = field(default=(), metadata=_dataset())
    n_files_per_job: int | None = _rule(1, MAX_FILES_PER_JOB)
    n_files: int | None = _rule(1, MAX_JOBS)
    n_skip: int = field(default=0, metadata={"minimum": 0, "maximum": MAX_JOBS})
    match: tuple[str, ...] = ()
    anti_match: tuple[str, ...] = ()
    reusable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """A task as submitted: a command for each job, its input, its output, how to split it.

    Sizes are megabytes, times seconds. `inputs[0]` is the primary stream: each of its files is
    processed exactly once; without inputs the task has `n_jobs` jobs (default 1). `vo`,
    `activity` (default: user), `working_group`, `processing_type` and `campaign` say which
    global share it belongs to. `architecture` is `sw_platform@base_platform#cpu&gpu`, each part
    optional; `release` is the software that must be there, as PROJECT-VERSION.

    Names of PanDA's parameters (documentation, 13 and 15): `cpu_time` cpuTime in
    `cpu_time_unit`, `cpu_efficiency` cpuEfficiency as a fraction, `base_time_seconds` baseTime,
    `base_memory_mb` baseRamCount, `out_disk_mb_per_event` outDiskCount, `work_disk_mb`
    workDiskCount, `min_cpu_efficiency` minCpuEfficiency as a fraction, `tgt_max_output_gb`
    tgtMaxOutputForNG, `max_files_per_job` nMaxFilesPerJob. With `events_across_files` a job's
    events may come from the end of one file and the start of the next.

    `destination` (destSE) is the storage endpoint that takes all output, `nucleus` the site; with
    `gather` alone, task brokerage chooses one of the nuclei. `t1_weight` (t1Weight) -1: all jobs
    run at the nucleus. `architecture` is `sw_platform<@base_platform><#cpu><&gpu>`,
    `ip_connectivity` (ipConnectivity) is `network#ip_stack`. Input is copied to the job's
    directory if `force_staged`; `direct_access_only` (allowInputLAN=only) keeps the jobs to queues
    that can read it where it is.

    `build_command` (bexec) runs once a queue, in a build job of its own: what it leaves is what
    the jobs there begin with, in place of the sandbox.

    With `merge_output` the outputs of many jobs become one file of each kind, by `merge_script`
    (with `%IN` and `%OUT`) or as the file's name suggests; the limits of a merge job count the
    jobs whose outputs it merges, the size of these, and their events.

    With `container_image` all that jobs run, they run in that image (containerImage).
    With `use_secrets` each job finds its owner's secrets in `panda_secrets.json`, where it runs.

    With `search` the task is a hyperparameter search: its command evaluates one point. With `tool`
    its one job runs a tool of standard CWL, which this describes; workflows make such tasks.
    """

    name: str = field(
        metadata={
            "pattern": names.DATASET,
            "rule": f"a task name is {names.LFN_RULE}",
            "longest": 200,
        }
    )
    command: str = field(metadata={"multiline": True, "longest": 65_536})
    inputs: tuple[InputStream, ...] = ()
    outputs: tuple[str, ...] = field(
        default=(),
        metadata={"pattern": names.OUTPUT, "rule": f"an output is a file name: {names.LFN_RULE}"},
    )
    sandbox: str | None = field(
        default=None, metadata={"pattern": names.DIGEST, "rule": "a SHA-256 digest"}
    )
    n_jobs: int | None = _rule(1, MAX_JOBS)
    n_files_per_job: int | None = _rule(1, MAX_FILES_PER_JOB)
    n_gb_per_job: float | None = _rule(0.001, 1_000_000)
    n_events: int | None = _rule(1, 10**15)
    n_events_per_job: int | None = _rule(1, 10**12)
    n_events_per_file: int | None = _rule(1, 10**12)
    site: str | None = _rule(pattern=names.USER, rule="a queue or site name")
    excluded_sites: tuple[str, ...] = field(
        default=(), metadata={"pattern": names.USER, "rule": "a queue or site name"}
    )
    core_count: int = field(default=1, metadata={"minimum": 1, "maximum": 4096})
    memory_mb: int = field(default=2000, metadata={"minimum": 1, "maximum": 16_000_000})
    walltime_seconds: int = field(default=86_400, metadata={"minimum": 1, "maximum": 31_536_000})
    disk_mb: int = field(default=10_000, metadata={"minimum": 1, "maximum": 1_000_000_000})
    max_attempts: int = field(default=3, metadata={"minimum": 1, "maximum": 50})
    priority: int = field(default=1000, metadata={"minimum": 0, "maximum": 1100})
    parent_task_id: int | None = _rule(1, 2**62)
    vo: str | None = _rule(pattern=names.USER, rule="an organisation's name")
    activity: str | None = _rule(
        pattern=names.USER, rule="what the task is for: user, managed, …", longest=32
    )
    working_group: str | None = _rule(pattern=names.USER, rule="a working group's name")
    processing_type: str | None = _rule(pattern=names.USER, rule="a kind of processing")
    campaign: str | None = _rule(pattern=names.USER, rule="a campaign's name")
    destination: str | None = _rule(pattern=names.USER, rule="a storage endpoint's name")
    nucleus: str | None = _rule(pattern=names.USER, rule="a site's name")
    gather: bool = False
    t1_weight: int = field(default=0, metadata={"minimum": -1, "maximum": 1000})
    architecture: str | None = _rule(longest=255)
    release: str | None = _rule(pattern=names.RELEASE, rule=names.RELEASE_RULE, longest=255)
    ip_connectivity: str | None = _rule(longest=20)
    force_staged: bool = False
    direct_access_only: bool = False
    max_files_per_job: int | None = _rule(1, MAX_FILES_PER_JOB)
    events_across_files: bool = False
    skip_scouts: bool = False
    cpu_time: float | None = _rule(0, 10**12)
    cpu_time_unit: CpuTimeUnit = CpuTimeUnit.HS06S
    cpu_efficiency: float = field(default=0.9, metadata={"minimum": 0, "maximum": 1})
    base_time_seconds: float = field(default=0.0, metadata={"minimum": 0, "maximum": 31_536_000})
    ram_count_unit: RamCountUnit = RamCountUnit.MB_PER_CORE
    base_memory_mb: int = field(default=0, metadata={"minimum": 0, "maximum": 16_000_000})
    out_disk_mb_per_event: float = field(default=0.0, metadata={"minimum": 0, "maximum": 10**9})
    work_disk_mb: float = field(default=0.0, metadata={"minimum": 0, "maximum": 10**9})
    min_cpu_efficiency: float | None = _rule(0, 1)
    tgt_max_output_gb: float | None = _rule(0.001, 1_000_000)
    build_command: str | None = _rule(multiline=True, longest=65_536)
    merge_output: bool = False
    merge_script: str | None = _rule(multiline=True, longest=65_536)
    n_files_per_merge_job: int | None = _rule(1, MAX_FILES_PER_MERGE_JOB)
    n_gb_per_merge_job: float | None = _rule(0.001, 1_000_000)
    n_events_per_merge_job: int | None = _rule(1, 10**12)
    use_secrets: bool = False
    container_image: str | None = _rule(pattern=names.IMAGE, rule=names.IMAGE_RULE)
    search: SearchSpec | None = None
    tool: dict[str, Any] | None = field(
        default=None, metadata={"multiline": True, "longest": 8 << 20}
    )

    def check(self) -> TaskSpec:
        """This specification, if its fields fit together.

        Raises:
            InvalidRequest: with a fault for every rule between fields that is broken.
        """
        faults = [fault for rule in _RULES for fault in rule(self)]
        if faults:
            raise InvalidRequest(f"task {self.name} cannot be run as asked", faults=faults)
        return self


def _input_rules(spec: TaskSpec) -> Iterator[FieldFault]:
    if not spec.command.strip():
        yield FieldFault("command", repr(spec.command), "say what each job runs")
    if spec.inputs and spec.inputs[0].stream != "IN":
        yield FieldFault("inputs[0].stream", spec.inputs[0].stream, "the primary stream is IN")
    seen: set[str] = set()
    for number, stream in enumerate(spec.inputs):
        if not stream.datasets:
            yield FieldFault(f"inputs[{number}].datasets", "empty", "name at least one dataset")
        if stream.stream in seen:
            yield FieldFault(f"inputs[{number}].stream", stream.stream, "each stream once")
        seen.add(stream.stream)
    for used in streams_used(spec.command):
        if used not in seen:
            yield FieldFault("command", f"%{used}", f"no input stream {used} is declared")


def _split_rules(spec: TaskSpec) -> Iterator[FieldFault]:
    if spec.inputs and spec.n_jobs is not None and spec.n_files_per_job is not None:
        yield FieldFault("n_jobs", str(spec.n_jobs), "give n_jobs or n_files_per_job, not both")
    if spec.n_files_per_job is not None and spec.n_events_per_job is not None:
        yield FieldFault(
            "n_events_per_job",
            str(spec.n_events_per_job),
            "give n_files_per_job or n_events_per_job, not both",
        )
    # With input, the file's events count; what the catalogue says of them is seen by feed.
    n_events = spec.n_events_per_file if spec.inputs else spec.n_events
    if spec.n_events_per_job is not None and (n_events or 0) > MAX_JOBS * spec.n_events_per_job:
        yield FieldFault(
            "n_events_per_job", str(spec.n_events_per_job), f"would make more than {MAX_JOBS} jobs"
        )
    if not spec.inputs:
        for name in ("n_files_per_job", "n_gb_per_job", "n_events_per_file", "max_files_per_job"):
            if getattr(spec, name) is not None:
                yield FieldFault(name, str(getattr(spec, name)), "only for a task with input")
    if spec.events_across_files and spec.n_events_per_job is None:
        yield FieldFault("events_across_files", "true", "needs n_events_per_job")
    if spec.tgt_max_output_gb is not None and spec.n_gb_per_job is None:
        yield FieldFault("tgt_max_output_gb", str(spec.tgt_max_output_gb), "needs n_gb_per_job")
    if spec.base_memory_mb >= spec.memory_mb:
        yield FieldFault("base_memory_mb", str(spec.base_memory_mb), "is a part of memory_mb")
    if spec.site is not None and spec.site in spec.excluded_sites:
        yield FieldFault("site", spec.site, "is among the excluded sites too")


def _priority_rules(spec: TaskSpec) -> Iterator[FieldFault]:
    # Among people's own tasks a low priority would be one that never runs.
    if spec.priority < LEAST_USER_PRIORITY and spec.activity in (None, USER_ACTIVITY):
        needed = f"from {LEAST_USER_PRIORITY} to 1100; less for another activity than user"
        yield FieldFault("priority", str(spec.priority), needed)


def _place_rules(spec: TaskSpec) -> Iterator[FieldFault]:
    if spec.destination is not None and spec.nucleus is not None:
        yield FieldFault("nucleus", spec.nucleus, "give destination or nucleus, not both")
    if spec.nucleus is not None and spec.nucleus in spec.excluded_sites:
        yield FieldFault("nucleus", spec.nucleus, "is among the excluded sites too")
    if spec.direct_access_only and not spec.inputs:
        yield FieldFault("direct_access_only", "true", "only for a task with input")
    if spec.direct_access_only and spec.force_staged:
        yield FieldFault("direct_access_only", "true", "not together with force_staged")


def _output_rules(spec: TaskSpec) -> Iterator[FieldFault]:
    for name in sorted({n for n in spec.outputs if spec.outputs.count(n) > 1}):
        yield FieldFault("outputs", name, "each output once")
    if "%OUT" in placeholders(spec.command) and not spec.outputs:
        yield FieldFault("command", "%OUT", "no output is declared")


def _build_rules(spec: TaskSpec) -> Iterator[FieldFault]:
    if spec.build_command is None:
        return
    if not spec.build_command.strip():
        yield FieldFault("build_command", repr(spec.build_command), "say what builds, or leave out")
    for name in dict.fromkeys(placeholders(spec.build_command)):
        yield FieldFault("build_command", name, "a build has no input, output or number of its own")


_OF_MERGES = (
    "merge_script", "n_files_per_merge_job", "n_gb_per_merge_job", "n_events_per_merge_job",
)  # fmt: skip


def _merge_rules(spec: TaskSpec) -> Iterator[FieldFault]:
    if spec.merge_output and not spec.outputs:
        yield FieldFault("merge_output", "true", "there is nothing to merge: no output is declared")
    for name in _OF_MERGES:
        value = getattr(spec, name)
        if value is not None and not spec.merge_output:
            yield FieldFault(name, ascii(value)[:80], "needs merge_output")
    if spec.merge_script is None:
        return
    used = set(placeholders(spec.merge_script))
    for name in sorted({"%IN", "%OUT"} - used):
        yield FieldFault("merge_script", ascii(spec.merge_script)[:80], f"must name {name}")
    for name in sorted(used - {"%IN", "%OUT"}):
        yield FieldFault("merge_script", name, "only %IN and %OUT mean something to a merge")


def _search_rules(spec: TaskSpec) -> Iterator[FieldFault]:
    search = spec.search
    if search is None:
        return
    yield from search_faults(search)
    for name in ("inputs", "n_jobs", "n_events", "n_events_per_job", "events_across_files"):
        value = getattr(spec, name)
        if value:
            yield FieldFault(name, ascii(value)[:80], "not for a search: its points are its input")
    if spec.container_image is not None:
        needed = "a search has images for its steering and its evaluation: search.…_container"
        yield FieldFault("container_image", spec.container_image, needed)
    metrics = (search.metrics_name,) if search.metrics_name else ()
    if spec.outputs != metrics:
        needed = f"a search writes its metrics alone: {', '.join(metrics) or 'nothing'}"
        yield FieldFault("outputs", ", ".join(spec.outputs), needed)


_RULES = (
    _input_rules, _split_rules, _priority_rules, _place_rules, _output_rules, _build_rules,
    _merge_rules, _search_rules,
)  # fmt: skip
