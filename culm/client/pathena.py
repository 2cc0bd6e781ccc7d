"""Submitting as `pathena` does: Athena options made a task of prun's kind."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from typing import Any

from culm.client.athena import AthenaCommand, LatestDb, athena_command
from culm.client.event_picking import FLAG, Datasets, Picked, picked, wrong
from culm.client.option_files import loaded, named
from culm.client.pathena_options import Pathena
from culm.client.prun import listed
from culm.client.prun_options import Prun
from culm.client.search_files import on_disk
from culm.client.submission import Prepared
from culm.core.errors import FieldFault, InvalidRequest

_FLAGS = {"--exec": "--trf"}


def pathena(**options: Any) -> Pathena:
    """Options by name, as Python (`in_ds`) or PanDA (`inDS`) spells them; lists may be lists.

    Raises:
        InvalidRequest: an option is unknown; the nearest one is named.
    """
    return Pathena(**named(Pathena, options))


def meaning(options: Pathena, datasets: Datasets, latest: LatestDb) -> tuple[Pathena, Prun]:
    """The options with those of their file, and what prun would be told for the same jobs.

    Raises:
        InvalidRequest: with every fault, named by its option.
    """
    options = loaded(options, on_disk)
    events = picked(options, on_disk, datasets)
    return options, as_prun(options, athena_command(options, os.environ, events, latest), events)


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


def check_goes_along(path: str, prepared: Prepared) -> None:
    """Pass if the list of events is among the files that the jobs get: they read it there.

    Raises:
        InvalidRequest: it is not.
    """
    names = {name for name, _ in prepared.chosen.files} if prepared.chosen else set()
    if os.path.normpath(path) not in names:
        raise wrong(FieldFault(FLAG, path, "must be among the files that are sent (--workDir)"))


def by_pathena_flags(error: InvalidRequest) -> InvalidRequest:
    """The same error with its faults named by the options that they came from."""
    faults = [FieldFault(_FLAGS.get(f.field, f.field), f.value, f.needed) for f in error.faults]
    hint = error.hint.replace(Prun.COMMAND, Pathena.COMMAND)
    return InvalidRequest(error.message, faults=faults, hint=hint)
