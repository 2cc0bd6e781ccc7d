"""New parameters of a task that is retried (pbook retry newOpts), as changes of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from culm.core.errors import FieldFault
from culm.wire.codec import encode
from culm.wire.task_spec import TaskSpec
from server.panda.parameters.faults import refused
from server.panda.parameters.fields import (
    need_fields,
    place_fields,
    plain_fields,
    priority_of,
    unknown_faults,
)

_PLACES = {"site": ("site",), "includedSite": ("site",), "excludedSite": ("excluded_sites",),
           "architecture": ("architecture",), "useLocalIO": ("force_staged",),
           "allowInputLAN": ("direct_access_only",)}  # fmt: skip


def changed_fields(new: Mapping[str, Any], before: TaskSpec) -> dict[str, Any]:
    """The fields of a specification that these parameters change, with their new values.

    Raises:
        InvalidRequest: a parameter is not known, or its value cannot be.
    """
    faults: list[FieldFault] = [*unknown_faults(new)]
    places = place_fields(new, faults)
    named = {field for name in new for field in _PLACES.get(name, ())}
    found = {
        **plain_fields(new),
        **need_fields({"coreCount": before.core_count} | dict(new), faults),
        **{field: value for field, value in places.items() if field in named},
    }
    priority = priority_of(new)
    if priority is not None:
        found["priority"] = priority
    if new.get("nFiles") and before.inputs:
        first, *others = (encode(stream) for stream in before.inputs)
        found["inputs"] = [first | {"n_files": new["nFiles"]}, *others]
    if faults:
        raise refused(before.name, faults)
    return found
