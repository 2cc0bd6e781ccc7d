"""What an operator changes about shares: the tree, a weight, the rules; all or nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import delete, insert, select, update
from sqlmodel import Session

from broker.share_rules import NAMES, Rule, faults_of, tag
from broker.shares import Share, ShareTree, scaled
from culm.core.errors import InvalidRequest, NotFound
from culm.core.nearest import unknown_name
from tasks.specs import specs_of
from tasks.store.books import wake
from tasks.store.bulk import id_in
from tasks.store.locks import one_at_a_time
from tasks.store.shares import share_rules, shares
from tasks.store.tables import GLOBAL_SHARE, JOB, JOB_ALIVE, SHARE_RULE, TASK
from tasks.store.topics import Topic
from tasks.tagging import SHARES_LOCK, attributes_of

TASKS_A_BATCH = 5000


def set_shares(
    session: Session, wanted: Sequence[Share], rules: Sequence[Rule] | None = None
) -> None:
    """Write another tree of shares, with other rules if they are given.

    Tasks whose share is gone, or is a leaf no more, are tagged anew, with their unfinished jobs.

    Raises:
        InvalidRequest: the tree does not add up, or a rule is wrong or names no leaf of it;
            every fault is named, and nothing is changed.
    """
    one_at_a_time(session, SHARES_LOCK)
    tree = ShareTree(wanted)
    kept = share_rules(session) if rules is None else rules
    _check(kept, tree)
    run = session.connection().execute
    run(delete(GLOBAL_SHARE))
    run(insert(GLOBAL_SHARE), [{"name": s.name, "weight": s.weight, "parent": s.parent}
                               for s in wanted])  # fmt: skip
    if rules is not None:
        _write_rules(session, rules)
    _tag_anew(session, tree, kept)
    wake(session, Topic.TASK_READY, Topic.JOB_ACTIVATED)


def set_weight(session: Session, name: str, weight: float) -> None:
    """Give a share another weight; its siblings keep their proportions.

    Raises:
        NotFound: there is no such share.
        InvalidRequest: the weight is more than the family has, or negative.
    """
    one_at_a_time(session, SHARES_LOCK)
    present = shares(session)
    names = [share.name for share in present]
    if name not in names:
        raise NotFound(f"share {name}: {unknown_name(name, names)}", hint="culm share show")
    changed = scaled(present, name, weight)
    ShareTree(changed)
    for share in changed:
        session.connection().execute(
            update(GLOBAL_SHARE)
            .where(GLOBAL_SHARE.c.name == share.name)
            .values(weight=share.weight)
        )
    wake(session, Topic.JOB_ACTIVATED)


def set_rules(session: Session, rules: Sequence[Rule]) -> None:
    """Write another table of tagging rules; it is for the tasks that come.

    Raises:
        InvalidRequest: a regular expression is bad, or a share is no leaf; each is named.
    """
    one_at_a_time(session, SHARES_LOCK)
    _check(rules, ShareTree(shares(session)))
    _write_rules(session, rules)


def _check(rules: Sequence[Rule], tree: ShareTree) -> None:
    faults = list(faults_of(rules, tree.leaves))
    if faults:
        raise InvalidRequest("the tagging rules are wrong", faults=faults)


def _write_rules(session: Session, rules: Sequence[Rule]) -> None:
    session.connection().execute(delete(SHARE_RULE))
    rows = [
        {"id": number, "share_name": rule.share}
        | {_column(name): getattr(rule.patterns, name) for name in NAMES}
        for number, rule in enumerate(rules, 1)
    ]
    if rows:
        session.connection().execute(insert(SHARE_RULE), rows)


def _column(name: str) -> str:
    return "user_name" if name == "user" else name


def _tag_anew(session: Session, tree: ShareTree, rules: Sequence[Rule]) -> None:
    """Tag the tasks that no leaf counts, ended ones too: they may be retried."""
    run = session.connection().execute
    lost = select(TASK.c.id, TASK.c.user_name).where(TASK.c.share_name.not_in(tree.leaves))
    while True:
        owners = {row.id: row.user_name for row in run(lost.limit(TASKS_A_BATCH))}
        by_share: dict[str, list[int]] = defaultdict(list)
        for task_id, spec in specs_of(session, owners).items():
            by_share[tag(rules, attributes_of(spec, owners[task_id]))].append(task_id)
        for share, ids in by_share.items():
            run(update(TASK).where(id_in(TASK.c.id, ids, session)).values(share_name=share))
            jobs = JOB_ALIVE, id_in(JOB.c.task_id, ids, session)
            run(update(JOB).where(*jobs).values(share_name=share))
        if len(owners) < TASKS_A_BATCH:
            return
