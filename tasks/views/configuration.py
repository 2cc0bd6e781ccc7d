"""Thresholds as operators see them: what holds, and who changed it."""

from __future__ import annotations

from sqlmodel import Session, col, select

from culm.wire.configuration import (
    ThresholdHistory,
    ThresholdList,
    ThresholdMove,
    ThresholdView,
)
from tasks.configuration import Definition, definitions, find
from tasks.tables import Configuration, ConfigurationHistory
from tasks.views.shown import moment

CHANGES_SHOWN = 100


def threshold_list(session: Session) -> ThresholdList:
    """Every threshold, and below it what was set for single names and organisations."""
    rows = list(session.exec(select(Configuration).order_by(col(Configuration.key))))
    shown = []
    for each in definitions():
        mine = [row for row in rows if find(row.key)[0] is each]
        general = next((r for r in mine if (r.key, r.vo) == (each.key, "")), None)
        shown.append(_view(each, each.key, general))
        shown += [_view(each, row.key, row) for row in mine if row is not general]
    return ThresholdList(thresholds=tuple(shown))


def threshold_view(session: Session, name: str, vo: str = "") -> ThresholdHistory:
    """One threshold, for an organisation or for all, with its changes.

    Raises:
        NotFound: there is no such threshold; the nearest is named.
    """
    definition, key = find(name)
    row = session.get(Configuration, (definition.app, definition.component, key, vo))
    changes = session.exec(
        select(ConfigurationHistory)
        .where(ConfigurationHistory.key == key)
        .order_by(col(ConfigurationHistory.id).desc())
        .limit(CHANGES_SHOWN)
    )
    return ThresholdHistory(
        threshold=_view(definition, key, row),
        changes=tuple(
            ThresholdMove(
                at=moment(c.at), user=c.user_name, vo=c.vo, old_value=c.old_value,
                new_value=c.new_value,
            )
            for c in changes
        ),
    )  # fmt: skip


def _view(definition: Definition, key: str, row: Configuration | None) -> ThresholdView:
    return ThresholdView(
        name=key, app=definition.app, component=definition.component,
        value=definition.value_of(row.value) if row else definition.default,
        default=definition.default, type=definition.type, unit=definition.unit,
        description=definition.description, vo=row.vo if row else "",
        changed_by=row.changed_by if row else None,
        changed_at=moment(row.changed_at) if row else None,
    )  # fmt: skip
