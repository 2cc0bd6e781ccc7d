"""Which task parameters mean what: those that are our fields under another name, and the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from culm.core.errors import FieldFault
from culm.core.nearest import unknown_name
from culm.wire.resource_units import CpuTimeUnit, RamCountUnit
from culm.wire.task_spec import LEAST_USER_PRIORITY, USER_ACTIVITY
from server.panda.parameters.faults import fault

PLAIN = {
    "nFilesPerJob": "n_files_per_job", "nGBPerJob": "n_gb_per_job", "nEvents": "n_events",
    "nEventsPerJob": "n_events_per_job", "nEventsPerFile": "n_events_per_file",
    "coreCount": "core_count", "maxAttempt": "max_attempts", "workingGroup": "working_group",
    "campaign": "campaign", "nucleus": "nucleus", "ipConnectivity": "ip_connectivity",
    "baseRamCount": "base_memory_mb", "t1Weight": "t1_weight", "skipScout": "skip_scouts",
    "nFilesPerMergeJob": "n_files_per_merge_job", "nGBPerMergeJob": "n_gb_per_merge_job",
    "nEventsPerMergeJob": "n_events_per_merge_job", "tgtMaxOutputForNG": "tgt_max_output_gb",
    "nMaxFilesPerJob": "max_files_per_job", "mergeOutput": "merge_output",
    "useSecrets": "use_secrets", "forceStaged": "force_staged",
}  # fmt: skip
"""Task parameters that are a field of a specification as they are."""

READ = frozenset({
    "taskName", "vo", "architecture", "processingType", "prodSourceLabel", "site", "excludedSite",
    "includedSite", "currentPriority", "taskPriority", "ramCount", "ramCountUnit", "cpuTime",
    "cpuTimeUnit", "walltime", "maxWalltime", "nFiles", "log", "jobParameters", "mergeSpec",
    "buildSpec", "container_name", "multiStepExec", "useLocalIO", "allowInputLAN",
    "transPath", "hpoWorkflow", "hpoRequestData", "maxNumJobs", "totNumJobs", "segmentedWork",
    "segmentSpecs", "noWaitParent", "minCpuEfficiency", "uniqueTaskName",
})  # fmt: skip
"""Those that are read one by one."""

UNMEANT = frozenset({
    "cliParams", "osInfo", "respectSplitRule", "sourceURL", "transUses", "transHome", "dsForIN",
    "reuseSecOnDemand", "noEmail", "messageDriven", "fixedSandbox", "noLoopingCheck", "noInput",
    "useRealNumEvents", "userName", "framework", "transferType", "disableAutoRetry", "official",
    "reqID", "requestType", "debugMode", "telemetry", "avoidVP", "parent_tid",
})  # fmt: skip
"""Those that say what goes without saying here, or what only PanDA's own parts can use."""


def unknown_faults(parameters: Mapping[str, Any]) -> Iterator[FieldFault]:
    """A fault for each parameter that nobody would heed, if it says something."""
    known = [*PLAIN, *READ, *UNMEANT]
    for name in sorted(set(parameters) - set(known), key=str):
        value = parameters[name]
        if value not in (None, False, "", [], {}):
            needed = f"this task parameter is not taken: {unknown_name(str(name), known)}"
            yield fault(str(name), value, needed)


def plain_fields(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The fields whose values need no change."""
    return {own: parameters[name] for name, own in PLAIN.items()
            if parameters.get(name) not in (None, "", False)}  # fmt: skip


def place_fields(parameters: Mapping[str, Any], faults: list[FieldFault]) -> dict[str, Any]:
    """Where the jobs may run."""
    included = _listed(parameters.get("includedSite"))
    site = parameters.get("site") or None
    if site is None and len(included) == 1:
        site = included[0]
    elif included:
        needed = "one site is taken: give it alone, or leave out others with --excludedSite"
        faults.append(fault("includedSite", ",".join(included), needed))
    return {
        "site": site,
        "excluded_sites": tuple(_listed(parameters.get("excludedSite"))),
        "architecture": parameters.get("architecture") or None,
        "force_staged": parameters.get("useLocalIO") in (1, True),
        "direct_access_only": parameters.get("allowInputLAN") == "only",
    }


def need_fields(parameters: Mapping[str, Any], faults: list[FieldFault]) -> dict[str, Any]:
    """What the jobs need; PanDA counts memory for each core."""
    found: dict[str, Any] = {}
    cores = parameters.get("coreCount") or 1
    ram = parameters.get("ramCount")
    if ram:
        found["memory_mb"] = ram * cores if isinstance(ram, int) and isinstance(cores, int) else ram
        _unit(parameters, "ramCountUnit", RamCountUnit, found, faults)
    if parameters.get("cpuTime"):
        found["cpu_time"] = parameters["cpuTime"]
        _unit(parameters, "cpuTimeUnit", CpuTimeUnit, found, faults)
    if parameters.get("minCpuEfficiency"):
        found["min_cpu_efficiency"] = parameters["minCpuEfficiency"] / 100
    if parameters.get("walltime"):
        found["walltime_seconds"] = parameters["walltime"]
    elif parameters.get("maxWalltime"):
        # The client gives hours here (prun --maxWalltime).
        found["walltime_seconds"] = parameters["maxWalltime"] * 3600
    return found


def priority_of(parameters: Mapping[str, Any]) -> int | None:
    """The priority asked for; one that users may not have is that of every task (PrioUtil)."""
    asked = parameters.get("currentPriority", parameters.get("taskPriority"))
    if not isinstance(asked, int) or isinstance(asked, bool):
        return None
    low = 0 if (parameters.get("prodSourceLabel") or USER_ACTIVITY) != USER_ACTIVITY else None
    return asked if (LEAST_USER_PRIORITY if low is None else low) <= asked <= 1100 else None


_UNIT_FIELDS = {"ramCountUnit": "ram_count_unit", "cpuTimeUnit": "cpu_time_unit"}


def _unit(
    parameters: Mapping[str, Any], name: str, kind: type[RamCountUnit | CpuTimeUnit],
    found: dict[str, Any], faults: list[FieldFault],
) -> None:  # fmt: skip
    unit = parameters.get(name)
    if not unit:
        return
    if unit in {str(one) for one in kind}:
        found[_UNIT_FIELDS[name]] = str(unit)
    else:
        faults.append(fault(name, unit, unknown_name(str(unit), [str(one) for one in kind])))


def _listed(value: Any) -> list[str]:
    items = value if isinstance(value, list) else str(value or "").split(",")
    return [str(item).strip() for item in items if str(item).strip()]
