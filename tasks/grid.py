"""A grid's document → checked entries, whichever of the two forms it has. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import Any

from culm.core import names
from culm.core.errors import FieldFault, InvalidRequest
from culm.core.nearest import unknown_name
from culm.wire.codec import decode
from culm.wire.grid import Grid, QueueEntry, SiteEntry
from tasks.cric import queue_of
from tasks.downtimes import downtime_faults
from tasks.moments import NEEDED, moment_of
from tasks.queues import queue_settings
from tasks.statuses import QueueStatus

_PARTS = frozenset(f.name for f in fields(Grid))
_STATUSES = tuple(str(status) for status in QueueStatus)
_URLS = ("file://", "http://", "https://", "/v1/storage/", "root://", "davs://", "s3://", "srm://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Names that are in the books already: a document may refer to them."""

    sites: Collection[str] = ()
    endpoints: Collection[str] = ()


def read_grid(document: Any, known: Known, what: str) -> tuple[Grid, tuple[str, ...]]:
    """The entries of a document, and words about what was left aside.

    A document whose every value is an object and that names none of our parts is taken for
    CRIC's list of queues.

    Raises:
        InvalidRequest: with a fault for everything that is wrong: queue, key, value, nearest.
    """
    is_cric = (
        isinstance(document, Mapping)
        and bool(document)
        and not _PARTS & document.keys()
        and all(isinstance(value, Mapping) and _is_cric(value) for value in document.values())
    )
    faults: list[FieldFault] = []
    warnings: tuple[str, ...] = ()
    if is_cric:
        grid, warnings = _from_cric(document, known, faults)
    else:
        grid = decode(Grid, document, what)
    faults += _name_faults(grid) + _value_faults(grid) + _reference_faults(grid, known)
    if faults:
        raise InvalidRequest(f"{what} is not taken: nothing was changed", faults=faults)
    return grid, warnings


def _is_cric(value: Mapping[str, Any]) -> bool:
    keys = {str(key).lower() for key in value}
    return bool(keys & {"status", "corecount", "maxrss", "maxtime", "atlas_site", "panda_site"})


def _from_cric(
    document: Mapping[str, Any], known: Known, faults: list[FieldFault]
) -> tuple[Grid, tuple[str, ...]]:
    found = [queue_of(str(name), value, faults) for name, value in sorted(document.items())]
    missing = {e for q in found for e in (*q.reads, *q.writes)} - set(known.endpoints)
    queues = {
        q.name: QueueEntry(
            site=q.site, status=q.status, settings=dict(q.settings),
            reads=tuple(e for e in q.reads if e not in missing) or None,
            writes=tuple(e for e in q.writes if e not in missing) or None,
        )
        for q in found
    }  # fmt: skip
    sites = {q.site: SiteEntry() for q in found if q.site not in known.sites}
    words = tuple(f"endpoint {name} is not known here" for name in sorted(missing))
    return Grid(sites=sites, queues=queues), words


def _name_faults(grid: Grid) -> list[FieldFault]:
    parts: dict[str, Mapping[str, Any]] = {
        "sites": grid.sites,
        "endpoints": grid.endpoints,
        "queues": grid.queues,
    }
    return [
        FieldFault(part, ascii(name)[:80], "a name: letters, digits and ._-, at most 63")
        for part, entries in parts.items()
        for name in entries
        if not names.USER.fullmatch(name)
    ]


def _value_faults(grid: Grid) -> list[FieldFault]:
    faults = []
    for name, queue in grid.queues.items():
        if queue.status is not None and queue.status not in _STATUSES:
            words = unknown_name(queue.status, _STATUSES)
            faults.append(FieldFault(f"queues.{name}.status", ascii(queue.status)[:80], words))
        try:
            queue_settings(queue.settings, name)
        except InvalidRequest as error:
            faults += [
                FieldFault(f"queues.{name}.settings.{f.field}", f.value, f.needed)
                for f in error.faults
            ]
    for name, site in grid.sites.items():
        faults += downtime_faults(name, site)
    faults += [
        FieldFault(f"endpoints.{name}.url", ascii(e.url)[:80], f"begins with {', '.join(_URLS)}")
        for name, e in grid.endpoints.items()
        if not e.url.startswith(_URLS)
    ]
    faults += [
        FieldFault(f"links[{place}].measured_at", ascii(link.measured_at)[:80], NEEDED)
        for place, link in enumerate(grid.links)
        if link.measured_at is not None and moment_of(link.measured_at) is None
    ]
    return faults


def _reference_faults(grid: Grid, known: Known) -> list[FieldFault]:
    sites = {*known.sites, *grid.sites}
    endpoints = {*known.endpoints, *grid.endpoints}
    wanted = [(f"queues.{n}.site", q.site, sites) for n, q in grid.queues.items()]
    wanted += [(f"endpoints.{n}.site", e.site, sites) for n, e in grid.endpoints.items()]
    for place, link in enumerate(grid.links):
        wanted.append((f"links[{place}].source", link.source, sites))
        wanted.append((f"links[{place}].destination", link.destination, sites))
    for name, queue in grid.queues.items():
        for part in ("reads", "writes"):
            wanted += [
                (f"queues.{name}.{part}", endpoint, endpoints)
                for endpoint in getattr(queue, part) or ()
            ]
    return [
        FieldFault(where, ascii(word)[:80], unknown_name(word, among))
        for where, word, among in wanted
        if word not in among
    ]
