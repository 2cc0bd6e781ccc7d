"""Links to the nucleus and connectivity: PanDA documentation 12.1, checks of step 2."""

from __future__ import annotations

from typing import Any

import pytest

from broker.connectivity import Connectivity, parse_connectivity
from broker.filters import network
from broker.rules import Rule
from broker.values import Link
from culm.core.errors import InvalidRequest
from tests.unit.broker.scene import a_demand, a_queue, a_view

AT_BNL = {"nucleus": "BNL"}


def refused(rule: Rule, demand: dict[str, Any], link: Link, n_files: int = 0) -> str:
    view = a_view(links={("CERN-T0", "BNL"): link}, n_files_to_nucleus={"BNL": n_files})
    asked = a_demand(**demand)
    if not rule.concerns(asked, view.thresholds):
        return ""
    found = rule.refuse(asked, a_queue(), view)
    return "" if found is None else found.reason


@pytest.mark.parametrize(
    ("rule", "demand", "link", "words"),
    [
        # 3: the link to the nucleus
        (network.link_blocked, AT_BNL, Link(is_blocked=True),
         "its link to the nucleus BNL is blocked"),
        (network.link_blocked, AT_BNL, Link(), ""),
        (network.link_blocked, {}, Link(is_blocked=True), ""),
        (network.link_blocked, {"nucleus": "CERN-T0"}, Link(is_blocked=True), ""),
        (network.link_backlog, AT_BNL, Link(n_files_queued=151),
         "151 files wait on its link to the nucleus BNL, the limit is 150"),
        (network.link_backlog, AT_BNL, Link(n_files_queued=150), ""),
        # 22: urgent, or priority 1000: network weight ≥ 1.7 × 1
        (network.slow_network, AT_BNL | {"is_urgent": True}, Link(closeness=11),
         "its network weight is 1.5, urgent jobs need 1.7"),
        (network.slow_network, AT_BNL | {"priority": 1000}, Link(closeness=11),
         "its network weight is 1.5, urgent jobs need 1.7"),
        (network.slow_network, AT_BNL | {"priority": 999}, Link(closeness=11), ""),
        (network.slow_network, AT_BNL | {"is_urgent": True}, Link(closeness=0), ""),
        (network.slow_network, {"nucleus": "CERN-T0", "is_urgent": True}, Link(), ""),
    ],
)  # fmt: skip
def test_network(rule: Rule, demand: dict[str, Any], link: Link, words: str) -> None:
    assert refused(rule, demand, link) == words


def test_nucleus_to_which_too_many_files_are_on_their_way_skips_all() -> None:
    words = "10001 files are on their way to the nucleus BNL, the limit is 10000"
    assert refused(network.nucleus_backlog, AT_BNL, Link(), 10_001) == words
    assert refused(network.nucleus_backlog, AT_BNL, Link(), 10_000) == ""


@pytest.mark.parametrize(
    ("queue", "task", "serves"),
    [
        # 17: wnconnectivity of the queue, ipConnectivity of the task
        ("full", "full", True), ("full", "http", True), ("full", "none", True),
        ("http", "full", False), ("http", "http", True), ("http", "none", True),
        ("none", "full", False), ("none", "http", False), ("none", "none", True),
        ("full#IPv4", "full#IPv4", True), ("full#IPv4", "full#IPv6", False),
        ("full#IPv6", "http#ipv6", True), ("full", "full#IPv4", False),
        ("full#IPv4", "full", True), ("", "", True), ("http", "#IPv4", False),
    ],
)  # fmt: skip
def test_connectivity(queue: str, task: str, serves: bool) -> None:
    offered = a_queue(connectivity=parse_connectivity(queue, "connectivity", "full"))
    asked = a_demand(connectivity=parse_connectivity(task, "connectivity", "none"))
    assert (network.connectivity.refuse(asked, offered, a_view()) is None) is serves


def test_refusal_shows_both_connectivities() -> None:
    offered = a_queue(connectivity=Connectivity("http"))
    found = network.connectivity.refuse(
        a_demand(connectivity=Connectivity("full", "IPv6")), offered, a_view()
    )
    assert found is not None
    assert found.reason == "its nodes have network http, full#IPv6 needed"


@pytest.mark.parametrize("text", ["some", "full#IPv5", "full#IPv4#IPv6"])
def test_connectivity_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_connectivity(text, "wnconnectivity", "full")
    (fault,) = caught.value.faults
    assert (fault.field, fault.value) == ("wnconnectivity", repr(text))
