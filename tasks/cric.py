"""CRIC's descriptions of queues (schedconfig), in the words of this house.

Names and units are those of the documentation (12.1, 7.3 `queuedata`). There, 0 means that a
limit does not hold. CRIC knows some hundred further keys, of pilots and of its own, that say
nothing about brokerage: they are left aside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from broker.values import QueueKind
from culm.core.errors import FieldFault

READS = ("read_lan", "pr", "analysis")
WRITES = ("write_lan", "pw", "write_lan_analysis")


@dataclass(frozen=True, slots=True, kw_only=True)
class CricQueue:
    """A queue as CRIC has it: its site, its status, its settings, its endpoints by activity."""

    name: str
    site: str
    status: str
    settings: Mapping[str, Any]
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


Convert = Callable[[Any], Any]


def _limit(value: Any) -> int | None:
    number = int(_number(value))
    return number if number > 0 else None


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("a number is needed")  # noqa: TRY004 - told as a fault of the document
    return float(value)


def _whole(value: Any) -> int:
    return int(_number(value))


def _power(value: Any) -> float | None:
    return _number(value) or None


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a string is needed")  # noqa: TRY004 - told as a fault of the document
    return value


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("true", "1", "false", "0", "", "none"):
        return str(value).lower() in ("true", "1")
    raise ValueError("true or false is needed")


def _kind(value: Any) -> str | None:
    """CRIC has further types (special, …) that say nothing of whose jobs a queue takes."""
    kind = _string(value).lower()
    return kind if kind in tuple(QueueKind) else None


NAMES: Mapping[str, tuple[str, Convert]] = {
    "corecount": ("core_count", _limit),
    "corepower": ("core_power", _power),
    "maxrss": ("max_memory_mb", _limit),
    "minrss": ("min_memory_mb", _whole),
    "maxwdir": ("max_disk_mb", _limit),
    "maxtime": ("max_walltime_seconds", _limit),
    "fairsharepolicy": ("fair_share_policy", _string),
    "wnconnectivity": ("connectivity", _string),
    "maxdiskio": ("max_disk_io_kb_per_second", _power),
    "transferringlimit": ("transferring_limit", _limit),
    "numslots": ("n_slots", _whole),
    "type": ("kind", _kind),
    "workflow": ("workflow", _string),
}
"""By CRIC's name in small letters: ours, and how the value is read."""
DIRECT = ("direct_access_lan", "direct_access_wan")
JOB_SEEDS = {
    "std": {"takes_event_service": False},
    "es": {"takes_ordinary_jobs": False},
    "eshigh": {}, "all": {}, "": {},
}  # fmt: skip


def queue_of(name: str, document: Mapping[str, Any], faults: list[FieldFault]) -> CricQueue:
    """A queue of CRIC's list; what is wrong with it joins the faults."""
    given = {key.lower(): value for key, value in document.items() if value is not None}
    settings: dict[str, Any] = {}
    for key, (ours, convert) in NAMES.items():
        if key in given:
            try:
                value = convert(given[key])
            except ValueError as error:
                faults.append(FieldFault(f"{name}.{key}", ascii(given[key])[:80], str(error)))
                continue
            if value is not None:
                settings[ours] = value
    settings |= _switches(name, given, faults)
    site = str(given.get("atlas_site") or given.get("site") or given.get("rc_site") or name)
    return CricQueue(
        name=name, site=site, status=str(given.get("status", "online")).lower(),
        settings=settings, reads=_endpoints(given, READS), writes=_endpoints(given, WRITES),
    )  # fmt: skip


def _switches(
    name: str, given: Mapping[str, Any], faults: list[FieldFault]
) -> Mapping[str, bool | int]:
    found: dict[str, bool | int] = {}
    for key in DIRECT:
        try:
            if _flag(given.get(key, False)):
                found["direct_access"] = True
        except ValueError as error:
            faults.append(FieldFault(f"{name}.{key}", ascii(given[key])[:80], str(error)))
    seed = str(given.get("jobseed", "")).lower()
    if seed not in JOB_SEEDS:
        words = f"one of {', '.join(filter(None, JOB_SEEDS))}"
        faults.append(FieldFault(f"{name}.jobseed", ascii(seed)[:80], words))
    found |= JOB_SEEDS.get(seed, {})
    if "disablereassign" in str(given.get("catchall", "")).lower():
        found["disable_reassign"] = True
    if given.get("capability") == "mcore":
        found["min_core_count"] = 2
    return found


def _endpoints(given: Mapping[str, Any], activities: tuple[str, ...]) -> tuple[str, ...]:
    by_activity = given.get("astorages") or {}
    if not isinstance(by_activity, Mapping):
        return ()
    found = [by_activity[a] for a in activities if isinstance(by_activity.get(a), list)]
    return tuple(dict.fromkeys(str(name) for names in found for name in names))
