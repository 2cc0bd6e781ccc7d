"""Where a task's output is gathered."""

from __future__ import annotations

from typing import Any

from broker.storage import Place, choose


def a_place(name: str, queue: str, **changes: Any) -> Place:
    return Place(**({"id": 1, "name": name, "queue": queue, "site": "S", "online": True} | changes))


def test_endpoint_that_most_online_queues_reach_is_chosen() -> None:
    places = [a_place("A", "q1"), a_place("B", "q2"), a_place("B", "q3")]
    assert choose(places, None) == places[1]
    offline = [places[0], *(a_place("B", q, online=False) for q in ("q2", "q3"))]
    assert choose(offline, None) == places[0]


def test_site_asked_for_comes_first_if_it_has_an_endpoint() -> None:
    places = [a_place("A", "q1", site="X"), a_place("B", "q2"), a_place("B", "q3")]
    assert choose(places, "X") == places[0]
    assert choose(places, "q1") == places[0]
    assert choose(places, "nowhere") == places[1]


def test_tie_goes_by_name_and_nothing_gives_nothing() -> None:
    places = [a_place("B", "q1"), a_place("A", "q2")]
    assert choose(places, None) == places[1]
    assert choose([], None) is None
