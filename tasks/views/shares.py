"""Shares as operators see them: what each is due, what it has, what waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlmodel import Session

from broker.share_rules import Attributes, Rule
from broker.shares import Share, ShareTree
from culm.wire.shares import ShareList, ShareNode, ShareRule, ShareRules, ShareView
from tasks.store.shares import share_rules, share_use, shares
from tasks.views.shown import moment_or_none


def share_list(session: Session) -> ShareList:
    """The tree with target, use and queue of each node."""
    nodes = {share.name: share for share in shares(session)}
    tree, use = ShareTree(list(nodes.values())), share_use(session)
    running, queued = tree.totals(use.n_running), tree.totals(use.n_queued)
    return ShareList(
        counted_at=moment_or_none(use.counted_at),
        shares=tuple(
            ShareView(
                **asdict(standing),
                weight=nodes[standing.name].weight,
                parent=nodes[standing.name].parent,
                n_running=int(running[standing.name]),
                n_queued=int(queued[standing.name]),
            )
            for standing in tree.standings(use.used_hs06, use.queued_hs06)
        ),
    )


def rule_list(session: Session) -> ShareRules:
    """The tagging rules in their order."""
    rules = share_rules(session)
    return ShareRules(
        rules=tuple(ShareRule(share=rule.share, **asdict(rule.patterns)) for rule in rules)
    )


def wanted_shares(nodes: Sequence[ShareNode]) -> list[Share]:
    """The broker's own values of shares that somebody wants."""
    return [Share(name=n.name, weight=n.weight, parent=n.parent) for n in nodes]


def wanted_rules(rules: Sequence[ShareRule]) -> list[Rule]:
    """The broker's own values of rules that somebody wants."""
    found = []
    for rule in rules:
        patterns = asdict(rule)
        share = patterns.pop("share")
        found.append(Rule(share=share, patterns=Attributes(**patterns)))
    return found
