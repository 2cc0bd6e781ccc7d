"""The grid as one document, in the form in which it is written."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select
from sqlmodel import Session

from culm.wire.grid import EndpointEntry, Grid, LinkEntry, QueueEntry, SiteEntry
from tasks.speeds import WINDOWS
from tasks.store.tables import ENDPOINT, LINK, QUEUE, QUEUE_STORAGE, SITE
from tasks.views.shown import moment, moment_or_none


def whole_grid(session: Session) -> Grid:
    """Sites, storage, queues and links as they are now, each in order of name."""
    run = session.connection().execute
    sites = {row.id: row for row in run(select(SITE).order_by(SITE.c.name))}
    links = run(select(LINK)).all()
    return Grid(
        sites={
            row.name: SiteEntry(
                is_nucleus=row.is_nucleus, down_from=moment_or_none(row.down_from),
                down_until=moment_or_none(row.down_until),
            )
            for row in sites.values()
        },
        endpoints={
            row.name: EndpointEntry(
                site=sites[row.site_id].name, url=row.url, total_gb=row.total_gb,
                free_gb=row.free_gb, expired_gb=row.expired_gb,
                is_blacklisted=row.is_blacklisted, is_tape=row.is_tape,
            )
            for row in run(select(ENDPOINT).order_by(ENDPOINT.c.name))
        },
        queues=_queues(session, {site_id: row.name for site_id, row in sites.items()}),
        links=tuple(sorted(
            (
                LinkEntry(
                    source=sites[row.source_id].name, destination=sites[row.destination_id].name,
                    closeness=row.closeness, is_blocked=row.is_blocked,
                    n_files_queued=row.n_files_queued,
                    mb_per_second_last_hour=row.mb_per_second_last_hour,
                    mb_per_second_last_day=row.mb_per_second_last_day,
                    mb_per_second_last_week=row.mb_per_second_last_week,
                    measured_at=moment(row.at) if any(row._mapping[n] for n in WINDOWS) else None,
                )
                for row in links
            ),
            key=lambda link: (link.source, link.destination),
        )),
    )  # fmt: skip


def _queues(session: Session, sites: dict[int, str]) -> dict[str, QueueEntry]:
    run = session.connection().execute
    reads: dict[int, list[str]] = defaultdict(list)
    writes: dict[int, list[str]] = defaultdict(list)
    rows = run(
        select(QUEUE_STORAGE, ENDPOINT.c.name)
        .join(ENDPOINT, ENDPOINT.c.id == QUEUE_STORAGE.c.endpoint_id).order_by(ENDPOINT.c.name)
    )  # fmt: skip
    for row in rows:
        if row.reads:
            reads[row.queue_id].append(row.name)
        if row.writes:
            writes[row.queue_id].append(row.name)
    return {
        row.name: QueueEntry(
            site=sites[row.site_id],
            status=row.status,
            settings=dict(row.settings),
            reads=tuple(reads[row.id]),
            writes=tuple(writes[row.id]),
        )
        for row in run(select(QUEUE).order_by(QUEUE.c.name))
    }
