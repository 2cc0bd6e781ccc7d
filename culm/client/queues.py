"""Queues and pilots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from culm.client.calls import Calls
from culm.client.reading import read
from culm.client.transport import Call, path_of
from culm.core.errors import NotFound
from culm.wire.grid import Grid, GridChange, GridUpload
from culm.wire.views import (
    HarvesterList,
    HarvesterView,
    PilotList,
    PilotView,
    QueueChange,
    QueueList,
    QueueView,
    StatusChange,
    WorkersWanted,
    WorkersWantedList,
)


class QueueCalls(Calls):
    """The calls about queues and pilots."""

    def queues(self) -> tuple[QueueView, ...]:
        """All queues in order of name."""
        return self._get(QueueList, "queues").queues

    def queue(self, name: str) -> QueueView:
        """A queue with its settings."""
        return self._get(QueueView, "queues", name)

    def set_queue(
        self, name: str, site: str | None = None, settings: Mapping[str, Any] | None = None
    ) -> QueueView:
        """The queue with these settings changed, made if it was not there (admin).

        Settings that are not named stay; one that is set to None goes back to its default. A new
        queue's site bears its name, unless another is given.
        """
        try:
            present = self.queue(name)
        except NotFound:
            present = None
        kept = dict(present.settings) if present else {}
        merged = {
            key: value for key, value in (kept | dict(settings or {})).items() if value is not None
        }
        change = QueueChange(site=site or (present.site if present else name), settings=merged)
        call = Call(method="PUT", path=path_of("queues", name), message=change)
        return read(QueueView, self.transport.json(call))

    def set_queue_status(self, name: str, status: str) -> QueueView:
        """The queue after its status was set: online, offline, test, brokeroff, paused (admin)."""
        return self._post(QueueView, StatusChange(status=status), "queues", name, "status")

    def grid(self) -> Grid:
        """Sites, storage with its space, queues and links: what `write_grid` takes."""
        return self._get(Grid, "grid")

    def write_grid(self, document: Mapping[str, Any], *, dry_run: bool = False) -> GridChange:
        """What a document of sites, queues, endpoints and links changed, or would (admin).

        Raises:
            InvalidRequest: with every fault of the document; nothing was changed.
        """
        return self._post(GridChange, GridUpload(document=dict(document), dry_run=dry_run), "grid")

    def workers_wanted(self) -> tuple[WorkersWanted, ...]:
        """How many workers of each kind each queue should get next."""
        return self._get(WorkersWantedList, "workers").workers

    def harvesters(self) -> tuple[HarvesterView, ...]:
        """PanDA's harvesters, by name."""
        return self._get(HarvesterList, "harvesters").harvesters

    def pilots(self) -> tuple[PilotView, ...]:
        """The pilots that signed on, newest first."""
        return self._get(PilotList, "pilots").pilots
