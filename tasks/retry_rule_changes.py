"""What an operator changes about the rules of the retry module."""

from __future__ import annotations

from dataclasses import asdict, fields

from sqlalchemy import delete, insert, select, update
from sqlmodel import Session

from culm.core.errors import FieldFault, InvalidRequest, NotFound
from culm.core.nearest import unknown_name
from culm.wire.retry_rules import (
    ErrorSource,
    NewRetryRule,
    RetryAction,
    RetryRuleList,
    RetryRuleView,
)
from tasks.retry_rules import checked_rule
from tasks.store.shares import share_tree
from tasks.store.tables import RETRY_RULE
from tasks.tables.columns import db_now
from tasks.views.shown import moment

_FIELDS = tuple(field.name for field in fields(NewRetryRule))


def add_rule(session: Session, rule: NewRetryRule, user: str) -> RetryRuleView:
    """The new rule as the books keep it.

    Raises:
        InvalidRequest: it cannot be used; each field that is wrong is named.
    """
    _check(session, rule)
    made = session.connection().execute(
        insert(RETRY_RULE).values(**asdict(rule), changed_by=user, changed_at=db_now())
    )
    return show_rule(session, int(made.inserted_primary_key[0]))  # type: ignore[index]


def set_rule(session: Session, rule_id: int, rule: NewRetryRule, user: str) -> RetryRuleView:
    """The rule after it was written anew.

    Raises:
        InvalidRequest: it cannot be used; each field that is wrong is named.
        NotFound: there is no such rule.
    """
    _check(session, rule)
    show_rule(session, rule_id)
    session.connection().execute(
        update(RETRY_RULE).where(RETRY_RULE.c.id == rule_id)
        .values(**asdict(rule), changed_by=user, changed_at=db_now())
    )  # fmt: skip
    return show_rule(session, rule_id)


def remove_rule(session: Session, rule_id: int) -> RetryRuleView:
    """The rule that was there.

    Raises:
        NotFound: there is no such rule.
    """
    gone = show_rule(session, rule_id)
    session.connection().execute(delete(RETRY_RULE).where(RETRY_RULE.c.id == rule_id))
    return gone


def list_rules(session: Session) -> RetryRuleList:
    """All rules in order of their numbers."""
    rows = session.connection().execute(select(RETRY_RULE).order_by(RETRY_RULE.c.id)).mappings()
    return RetryRuleList(rules=tuple(_view(dict(row)) for row in rows))


def show_rule(session: Session, rule_id: int) -> RetryRuleView:
    """One rule.

    Raises:
        NotFound: there is no such rule.
    """
    row = session.connection().execute(
        select(RETRY_RULE).where(RETRY_RULE.c.id == rule_id)
    ).mappings().first()  # fmt: skip
    if row is None:
        raise NotFound(f"no retry rule {rule_id}", hint="culm retry-rule list")
    return _view(dict(row))


def _check(session: Session, rule: NewRetryRule) -> None:
    checked_rule(rule)
    names = share_tree(session).leaves
    if rule.work_queue and rule.work_queue not in names:
        fault = FieldFault("work_queue", rule.work_queue, unknown_name(rule.work_queue, names))
        raise InvalidRequest("this retry rule cannot be used", faults=[fault])


def _view(row: dict[str, object]) -> RetryRuleView:
    values = {name: row[name] for name in _FIELDS if name not in ("source", "action")}
    return RetryRuleView(
        rule_id=row["id"],  # type: ignore[arg-type]
        source=ErrorSource(str(row["source"])),
        action=RetryAction(str(row["action"])),
        changed_by=str(row["changed_by"]),
        changed_at=moment(row["changed_at"]),  # type: ignore[arg-type]
        **values,  # type: ignore[arg-type]
    )
