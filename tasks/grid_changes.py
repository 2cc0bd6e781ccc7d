"""A grid's document into the books: all of it, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, bindparam, delete, insert, select, update
from sqlmodel import Session

from culm.wire.grid import Grid, GridChange, LinkEntry, QueueEntry, SiteEntry
from tasks.downtimes import downtime_of
from tasks.grid import Known, read_grid
from tasks.moments import moment_of
from tasks.queue_changes import look_again
from tasks.speeds import WINDOWS
from tasks.statuses import QueueStatus
from tasks.store.locks import one_at_a_time
from tasks.store.moves import database_time
from tasks.store.tables import ENDPOINT, LINK, QUEUE, QUEUE_STORAGE, SITE


def write_grid(
    session: Session, document: Any, *, dry_run: bool = False, declares: bool = False
) -> GridChange:
    """What the document changed (or would have, in a dry run).

    `declares` is for a document that is read again and again and lists all queues that it is
    in charge of: a status is written only when the document says another than last time, and a
    queue that it names no more goes offline; jobs that are there run on.

    Raises:
        InvalidRequest: something is wrong; each fault is named, and nothing has changed.
    """
    one_at_a_time(session, "grid")
    found = read_grid(document, known(session), "the grid's document")
    writer = _Writer(session, found[0], declares)
    change = replace(writer.plan(), warnings=found[1], dry_run=dry_run)
    if not dry_run:
        opens = writer.blocks_or_opens_storage()
        writer.write()
        if opens or change.queues_added or change.queues_changed or change.queues_gone:
            look_again(session)
    return change


def known(session: Session) -> Known:
    """The names that are in the books."""
    return Known(sites=_ids(session, SITE), endpoints=_ids(session, ENDPOINT))


@dataclass(slots=True)
class _Writer:
    session: Session
    grid: Grid
    declares: bool

    def plan(self) -> GridChange:
        """What writing would change."""
        query = select(QUEUE, SITE.c.name.label("site_name"))
        rows = {q.name: q for q in self._run(query.join(SITE, SITE.c.id == QUEUE.c.site_id))}
        added = [name for name in self.grid.queues if name not in rows]
        changed = [
            name for name, entry in self.grid.queues.items()
            if name in rows and _differs(entry, rows[name])
        ]  # fmt: skip
        return GridChange(
            n_sites=len(self.grid.sites), n_endpoints=len(self.grid.endpoints),
            n_links=len(self.grid.links), queues_added=tuple(sorted(added)),
            queues_changed=tuple(sorted(changed)), queues_gone=tuple(self._gone(rows)),
        )  # fmt: skip

    def _gone(self, rows: Mapping[str, Any]) -> list[str]:
        if not self.declares:
            return []
        ours = (name for name, row in rows.items() if row.declared_status is not None)
        return sorted(name for name in ours if name not in self.grid.queues)

    def blocks_or_opens_storage(self) -> bool:
        """Whether an endpoint gets blacklisted, or is so no more."""
        rows = self._run(select(ENDPOINT.c.name, ENDPOINT.c.is_blacklisted))
        now = {row.name: bool(row.is_blacklisted) for row in rows}
        new = self.grid.endpoints
        return any(now.get(name, False) != entry.is_blacklisted for name, entry in new.items())

    def write(self) -> None:
        """Write the entries: sites, storage, queues, and what lies between them."""
        self._upsert(SITE, {name: _site_row(entry) for name, entry in self.grid.sites.items()})
        sites = _ids(self.session, SITE)
        self._upsert(ENDPOINT, {
            name: {"site_id": sites[e.site], "url": e.url, "total_gb": e.total_gb,
                   "free_gb": e.free_gb, "expired_gb": e.expired_gb,
                   "is_blacklisted": e.is_blacklisted, "is_tape": e.is_tape}
            for name, e in self.grid.endpoints.items()
        })  # fmt: skip
        new = [name for name in self.grid.queues if name not in _ids(self.session, QUEUE)]
        self._write_queues(sites)
        self._write_storage(new)
        self._write_links(sites)

    def _upsert(
        self, table: Table, rows: Mapping[str, dict[str, Any]], leave_out: str = ""
    ) -> None:
        present = _ids(self.session, table)
        cleaned = {n: {k: v for k, v in r.items() if k != leave_out} for n, r in rows.items()}
        new = [{"name": n} | row for n, row in cleaned.items() if n not in present]
        old = [{"the_name": n} | row for n, row in cleaned.items() if n in present]
        if new:
            self._run(insert(table), new)
        columns = {name for row in old for name in row if name != "the_name"}
        if old and columns:
            self._run(
                update(table).where(table.c.name == bindparam("the_name"))
                .values({name: bindparam(name) for name in columns}), old
            )  # fmt: skip

    def _write_queues(self, sites: Mapping[str, int]) -> None:
        # A status that is set by hand at this moment must not be written over.
        held = self._run(select(QUEUE).order_by(QUEUE.c.id).with_for_update(key_share=True))
        rows, now = {row.name: row for row in held}, database_time(self.session)
        values = {}
        for name, entry in self.grid.queues.items():
            row = rows.get(name)
            status = self._status(entry, row)
            since = row.status_changed_at if row is not None and row.status == status else now
            values[name] = {
                "site_id": sites[entry.site], "settings": entry.settings, "status": status,
                "status_changed_at": since,
                "declared_status": self._declared(entry, row),
            }  # fmt: skip
        self._upsert(QUEUE, values)
        gone = [{"gone": name} for name in self._gone(rows)]
        if gone:
            self._run(
                update(QUEUE).where(QUEUE.c.name == bindparam("gone"))
                .values(status=str(QueueStatus.OFFLINE), declared_status=None,
                        status_changed_at=now), gone
            )  # fmt: skip

    def _status(self, entry: QueueEntry, row: Any) -> str:
        if row is None:
            return entry.status or str(QueueStatus.ONLINE)
        if entry.status is None or (self.declares and row.declared_status == entry.status):
            return str(row.status)
        return entry.status

    def _declared(self, entry: QueueEntry, row: Any) -> str | None:
        if self.declares:
            return entry.status or str(QueueStatus.ONLINE)
        return None if row is None else row.declared_status

    def _write_storage(self, new: list[str]) -> None:
        queues, endpoints = _ids(self.session, QUEUE), _ids(self.session, ENDPOINT)
        pairs: dict[tuple[int, int], dict[str, bool]] = {}
        rewritten = []
        for name, entry in self.grid.queues.items():
            if entry.reads is None and entry.writes is None and name not in new:
                continue
            rewritten.append({"the_queue": queues[name]})
            reads, writes = self._storage_of(entry)
            for endpoint in dict.fromkeys((*reads, *writes)):
                pairs[queues[name], endpoints[endpoint]] = {
                    "reads": endpoint in reads, "writes": endpoint in writes,
                }  # fmt: skip
        if rewritten:
            self._run(
                delete(QUEUE_STORAGE).where(QUEUE_STORAGE.c.queue_id == bindparam("the_queue")),
                rewritten,
            )
        if pairs:
            self._run(insert(QUEUE_STORAGE), [
                {"queue_id": q, "endpoint_id": e} | flags for (q, e), flags in pairs.items()
            ])  # fmt: skip

    def _storage_of(self, entry: QueueEntry) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if entry.reads is None and entry.writes is None:
            near = tuple(self._run(
                select(ENDPOINT.c.name).join(SITE, SITE.c.id == ENDPOINT.c.site_id)
                .where(SITE.c.name == entry.site).order_by(ENDPOINT.c.id)
            ).scalars()) or tuple(self._run(
                select(ENDPOINT.c.name).order_by(ENDPOINT.c.id).limit(1)).scalars())  # fmt: skip
            return near, near
        return entry.reads or entry.writes or (), entry.writes or entry.reads or ()

    def _write_links(self, sites: Mapping[str, int]) -> None:
        now = database_time(self.session)
        known = {(row.source_id, row.destination_id): row for row in self._run(select(LINK))}
        links = {(sites[link.source], sites[link.destination]): link for link in self.grid.links}
        rows = [
            {"source_id": key[0], "destination_id": key[1]} | _link_row(link, known.get(key), now)
            for key, link in links.items()
        ]
        if rows:
            keys = [{"s": r["source_id"], "d": r["destination_id"]} for r in rows]
            here = LINK.c.source_id == bindparam("s"), LINK.c.destination_id == bindparam("d")
            self._run(delete(LINK).where(*here), keys)
            self._run(insert(LINK), rows)

    def _run(self, statement: Any, rows: Any = None) -> Any:
        return self.session.connection().execute(statement, rows)


def _differs(entry: QueueEntry, row: Any) -> bool:
    settings_differ = dict(row.settings) != entry.settings or row.site_name != entry.site
    return settings_differ or entry.status not in (None, row.status, row.declared_status)


def _site_row(entry: SiteEntry) -> dict[str, Any]:
    down = downtime_of(entry)
    return {"is_nucleus": entry.is_nucleus, "down_from": down.begins, "down_until": down.ends}


def _link_row(entry: LinkEntry, known: Any, now: datetime) -> dict[str, Any]:
    row = {name: getattr(entry, name) for name in ("closeness", "is_blocked", "n_files_queued")}
    speeds = {name: getattr(entry, name) for name in WINDOWS}
    measured_at = min(now, moment_of(entry.measured_at) or now)
    is_told = any(speed is not None for speed in speeds.values())
    # Of what is as old to the millisecond, as it is shown, what is told now was edited.
    if known is None or (is_told and measured_at + _A_MILLISECOND > known.at):
        return row | speeds | {"at": measured_at}
    return row | {name: getattr(known, name) for name in WINDOWS} | {"at": known.at}


_A_MILLISECOND = timedelta(milliseconds=1)


def _ids(session: Session, table: Table) -> dict[str, int]:
    rows = session.connection().execute(select(table.c.name, table.c.id))
    return {row[0]: row[1] for row in rows}
