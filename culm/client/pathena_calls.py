"""The calls by which Athena tasks are submitted. What they need is imported when one is made:
every client has them, and few use them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from culm.client.datasets import DatasetCalls
from culm.client.submission import Prepared, SubmissionCalls
from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.views import TaskAccepted

if TYPE_CHECKING:
    from culm.client.pathena_options import Pathena
    from culm.wire.forecast import Forecast


class PathenaCalls(SubmissionCalls, DatasetCalls):
    """The calls about Athena tasks."""

    def prepare_pathena(self, options: Pathena, *, offline: bool = False) -> Prepared:
        """The specification that these options mean; the catalogue is asked where they need it.

        Raises:
            InvalidRequest: with every fault, named by its option.
        """
        from culm.client.pathena import by_pathena_flags, check_goes_along, meaning

        try:
            options, plain = meaning(options, self._names, self._latest_database)
            prepared = self.prepare(plain, offline=offline)
        except InvalidRequest as error:
            raise by_pathena_flags(error) from error
        if options.event_pick_evt_list is not None:
            check_goes_along(options.event_pick_evt_list, prepared)
        return prepared

    def check_pathena(self, prepared: Prepared) -> Forecast:
        """What a prepared Athena task would become if it were sent now."""
        from culm.client.pathena import by_pathena_flags

        try:
            return self.check(prepared)
        except InvalidRequest as error:
            raise by_pathena_flags(error) from error

    def send_pathena(self, prepared: Prepared, key: str | None = None) -> TaskAccepted:
        """The task that a prepared Athena task became.

        Raises:
            InvalidRequest: with every fault that the server found, named by its option.
        """
        from culm.client.pathena import by_pathena_flags

        try:
            return self.send(prepared, key)
        except InvalidRequest as error:
            raise by_pathena_flags(error) from error

    def pathena(
        self, options: Pathena | None = None, *, key: str | None = None, **given: Any
    ) -> TaskAccepted:
        """Submit as `culm pathena` does: `client.pathena(trf="Reco_tf.py …", inDS="…")`."""
        from culm.client.pathena import pathena

        return self.send_pathena(self.prepare_pathena(options or pathena(**given)), key)

    def _names(self, pattern: str) -> Iterable[str]:
        return (view.name for view in self.datasets(pattern))

    def _latest_database(self) -> tuple[str, str]:
        """The last dataset of database releases by name, and its last file."""
        from culm.client.athena import DB_PATTERN
        from culm.client.event_picking import wrong

        names = list(self._names(DB_PATTERN))
        files = [file.lfn for file in self.files(names[-1])] if names else []
        if not files:
            raise wrong(FieldFault("--trf", "%DB:LATEST", f"there is no dataset {DB_PATTERN} here"))
        return names[-1], files[-1]
