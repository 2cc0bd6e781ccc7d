"""Submitting as `pathena` does: Athena options made a task of prun's kind."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from culm.client.athena import DB_PATTERN, AthenaCommand, athena_command
from culm.client.datasets import DatasetCalls
from culm.client.event_picking import FLAG, Picked, picked, wrong
from culm.client.option_files import loaded, named
from culm.client.pathena_options import Pathena
from culm.client.prun import listed
from culm.client.prun_options import Prun
from culm.client.search_files import on_disk
from culm.client.submission import Prepared, SubmissionCalls
from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.forecast import Forecast
from culm.wire.views import TaskAccepted

_FLAGS = {"--exec": "--trf"}


class PathenaCalls(SubmissionCalls, DatasetCalls):
    """The calls about Athena tasks."""

    def prepare_pathena(self, options: Pathena, *, offline: bool = False) -> Prepared:
        """The specification that these options mean; the catalogue is asked where they need it.

        Raises:
            InvalidRequest: with every fault, named by its option.
        """
        options = loaded(options, on_disk)
        try:
            events = picked(options, on_disk, self._names)
            found = athena_command(options, os.environ, events, self._latest_database)
            plain = as_prun(options, found, events)
            prepared = self.prepare(plain, offline=offline)
        except InvalidRequest as error:
            raise _by_flags(error) from error
        if options.event_pick_evt_list is not None:
            _check_goes_along(options.event_pick_evt_list, prepared)
        return prepared

    def check_pathena(self, prepared: Prepared) -> Forecast:
        """What a prepared Athena task would become if it were sent now."""
        try:
            return self.check(prepared)
        except InvalidRequest as error:
            raise _by_flags(error) from error

    def send_pathena(self, prepared: Prepared, key: str | None = None) -> TaskAccepted:
        """The task that a prepared Athena task became.

        Raises:
            InvalidRequest: with every fault that the server found, named by its option.
        """
        try:
            return self.send(prepared, key)
        except InvalidRequest as error:
            raise _by_flags(error) from error

    def pathena(
        self, options: Pathena | None = None, *, key: str | None = None, **given: Any
    ) -> TaskAccepted:
        """Submit as `culm pathena` does: `client.pathena(trf="Reco_tf.py …", inDS="…")`."""
        return self.send_pathena(self.prepare_pathena(options or pathena(**given)), key)

    def _names(self, pattern: str) -> Iterable[str]:
        return (view.name for view in self.datasets(pattern))

    def _latest_database(self) -> tuple[str, str]:
        """The last dataset of database releases by name, and its last file."""
        names = list(self._names(DB_PATTERN))
        files = [file.lfn for file in self.files(names[-1])] if names else []
        if not files:
            raise wrong(FieldFault("--trf", "%DB:LATEST", f"there is no dataset {DB_PATTERN} here"))
        return names[-1], files[-1]


def pathena(**options: Any) -> Pathena:
    """Options by name, as Python (`in_ds`) or PanDA (`inDS`) spells them; lists may be lists.

    Raises:
        InvalidRequest: an option is unknown; the nearest one is named.
    """
    return Pathena(**named(Pathena, options))


def as_prun(options: Pathena, found: AthenaCommand, events: Picked | None) -> Prun:
    """What prun would be told for the same jobs.

    Raises:
        InvalidRequest: two options say different things.
    """
    if options.split is not None and options.n_jobs not in (None, options.split):
        raise wrong(FieldFault("--split", str(options.split), "--nJobs says another number"))
    changes: dict[str, Any] = {
        "exec": found.command,
        "outputs": ",".join(found.outputs) or None,
        "release": found.release,
        "n_jobs": options.n_jobs if options.split is None else options.split,
        "secondary_dss": _joined(options.secondary_dss, *found.secondaries),
    }
    if events is not None:
        changes |= {"in_ds": _joined(None, *events.datasets),
                    "match": _joined(options.match, *events.files)}  # fmt: skip
    shared = {f.name: getattr(options, f.name) for f in fields(Prun)}
    return replace(Prun(**shared), **changes)


def _joined(text: str | None, *more: str) -> str | None:
    return ",".join([*listed(text), *more]) or None


def _check_goes_along(path: str, prepared: Prepared) -> None:
    """The jobs read the list of events where they run."""
    names = {name for name, _ in prepared.chosen.files} if prepared.chosen else set()
    if os.path.normpath(path) not in names:
        raise wrong(FieldFault(FLAG, path, "must be among the files that are sent (--workDir)"))


def _by_flags(error: InvalidRequest) -> InvalidRequest:
    faults = [FieldFault(_FLAGS.get(f.field, f.field), f.value, f.needed) for f in error.faults]
    hint = error.hint.replace(Prun.COMMAND, Pathena.COMMAND)
    return InvalidRequest(error.message, faults=faults, hint=hint)
