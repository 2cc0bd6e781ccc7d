"""Resource types: seen by everybody, changed by administrators."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from culm.client.calls import Calls
from culm.client.reading import read
from culm.client.transport import Call, path_of
from culm.wire.codec import decode, encode
from culm.wire.resource_types import NewResourceType, ResourceTypeList, ResourceTypeView


class ResourceTypeCalls(Calls):
    """The calls about the kinds of need that jobs are counted by."""

    def resource_types(self) -> tuple[ResourceTypeView, ...]:
        """All types in order of their names."""
        return self._get(ResourceTypeList, "resource-types").types

    def resource_type(self, name: str) -> ResourceTypeView:
        """One type."""
        return self._get(ResourceTypeView, "resource-types", name)

    def add_resource_type(self, name: str, **bounds: Any) -> ResourceTypeView:
        """The new type (admin).

        Raises:
            InvalidRequest: a bound is unknown or wrong, or two do not fit together; each named.
            Conflict: there is one of this name.
        """
        wanted = decode(NewResourceType, {"name": name} | bounds, "the resource type").check()
        return self._post(ResourceTypeView, wanted, "resource-types")

    def set_resource_type(self, name: str, **bounds: Any) -> ResourceTypeView:
        """The type with these bounds changed (admin); one of None is taken away.

        Raises:
            InvalidRequest: a bound is unknown or wrong, or two do not fit together; each named.
        """
        known = {field.name for field in fields(NewResourceType)}
        before = {k: v for k, v in encode(self.resource_type(name)).items() if k in known}
        wanted = decode(NewResourceType, before | bounds, "the resource type").check()
        call = Call(method="PUT", path=path_of("resource-types", name), message=wanted)
        return read(ResourceTypeView, self.transport.json(call))

    def remove_resource_type(self, name: str) -> ResourceTypeView:
        """What the type was that is gone now (admin)."""
        call = Call(method="DELETE", path=path_of("resource-types", name))
        return read(ResourceTypeView, self.transport.json(call))
