"""Queues and storage as PanDA's pilot reads them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.panda.pilots.landing import AREA
from tasks.queues import QueueSettings
from tasks.statuses import QueueStatus

TIMEFLOOR_MINUTES = 60
"""For so long a pilot of theirs goes on asking for jobs; with 0 it would run one."""
_TOOL = "mv"
_USES = ("pr", "pw", "pl", "default")
"""Reading, writing, logs."""
_PROTOCOLS = ("read_lan", "read_wan", "write_lan", "write_wan")


def queue_data(
    name: str, status: str, site: str, settings: QueueSettings, endpoints: Sequence[str]
) -> dict[str, Any]:
    """A queue, as CRIC's schedconfig tells of it; `endpoints` are those that it can use."""
    online = status in (QueueStatus.ONLINE, QueueStatus.TEST)
    return {
        "nickname": name, "name": name, "siteid": name, "panda_queue": name, "resource": name,
        "panda_resource": name, "site": site, "atlas_site": site, "gstat": site,
        # Another state than this, and their pilot ends at once.
        "state": "ACTIVE", "status": "online" if online else str(status), "type": "unified",
        "vo_name": "", "country": "", "cmtconfig": "", "appdir": "", "environ": "",
        "container_type": "", "container_options": "", "catchall": "mv_final_destination",
        "copytools": {_TOOL: {"setup": ""}}, "acopytools": {use: [_TOOL] for use in _USES},
        "astorages": {use: list(endpoints) for use in _USES},
        "aprotocols": {}, "acopytools_schemas": {}, "params": {},
        "corecount": settings.core_count or 1, "corepower": settings.core_power,
        "maxrss": settings.max_memory_mb or 0, "maxwdir": settings.max_disk_mb or 0,
        "maxtime": settings.max_walltime_seconds or 0, "maxinputsize": 0,
        "timefloor": TIMEFLOOR_MINUTES,
        "is_cvmfs": False, "allow_lan": True, "allow_wan": False, "direct_access_lan": False,
        "direct_access_wan": False, "use_pcache": False, "pledgedcpu": 0,
    }  # fmt: skip


def storage_data(site: str, name: str, directory: Path) -> dict[str, Any]:
    """An endpoint, as CRIC's ddmendpoints tell of it: its landing areas are what is used."""
    place = {"endpoint": "file://localhost", "path": f"{directory / AREA}/", "flavour": "FILE",
             "id": 1}  # fmt: skip
    return {
        "name": name, "pk": 1, "id": 1, "site": site, "type": "DATADISK", "token": name,
        "state": "ACTIVE", "is_deterministic": True, "is_tape": False, "resource": {},
        "arprotocols": {use: [place] for use in _PROTOCOLS}, "rprotocols": {},
        "special_setup": {},
    }  # fmt: skip
