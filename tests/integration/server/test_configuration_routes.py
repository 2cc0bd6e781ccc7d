"""Thresholds over HTTP: set, shown, reset, and who did it."""

from __future__ import annotations

import pytest

from broker.throttle import Caps
from culm.wire.codec import decode
from culm.wire.configuration import ThresholdHistory, ThresholdList
from tasks.configuration import definitions
from tasks.store.configuration import values
from tasks.thresholds import Scouting
from tests.server_scene import Scene

RANK = "/v1/configuration/SCOUT_RAMCOUNT_RANK"


def test_threshold_holds_from_the_moment_it_is_set(scene: Scene) -> None:
    root = scene.person("root", "admin")
    with scene.books.read() as session:
        assert values(session).of(Scouting).ram_count_rank == 75.0
    answer = root.put(RANK, json={"value": "80"})
    assert (answer.status_code, answer.json()["threshold"]["value"]) == (200, 80.0)
    with scene.books.read() as session:
        assert values(session).of(Scouting).ram_count_rank == 80.0
    assert root.delete(RANK).json()["threshold"]["value"] == 75.0
    with scene.books.read() as session:
        assert values(session).of(Scouting).ram_count_rank == 75.0


def test_every_change_says_who_and_when(scene: Scene) -> None:
    root, eve = scene.person("root", "admin"), scene.person("eve", "admin")
    root.put(RANK, json={"value": "80"})
    eve.put(RANK, json={"value": "90"})
    root.delete(RANK)
    root.delete(RANK)  # there is nothing to reset any more
    found = decode(ThresholdHistory, root.get("/v1/configuration/jedi.dbproxy.SCOUT_RAMCOUNT_RANK")
                   .json())  # fmt: skip
    assert [(c.user, c.old_value, c.new_value) for c in found.changes] == [
        ("root", "90.0", None), ("eve", "80.0", "90.0"), ("root", None, "80.0")]  # fmt: skip
    assert all(c.at.endswith("Z") for c in found.changes)
    assert found.threshold.changed_by is None


def test_organisation_has_a_value_of_its_own(scene: Scene) -> None:
    root = scene.person("root", "admin")
    root.put("/v1/configuration/NQUEUECAP", json={"value": "7", "vo": "atlas"})
    with scene.books.read() as session:
        now = values(session)
    assert (now.of(Caps, vo="atlas").max_queued_jobs, now.of(Caps)) == (7, Caps())
    shown = root.get("/v1/configuration/NQUEUECAP?vo=atlas").json()["threshold"]
    assert (shown["value"], shown["vo"], shown["changed_by"]) == (7, "atlas", "root")
    root.delete("/v1/configuration/NQUEUECAP?vo=atlas")
    with scene.books.read() as session:
        assert values(session).of(Caps, vo="atlas") == Caps()


def test_list_has_every_threshold_and_what_was_set(scene: Scene) -> None:
    root = scene.person("root", "admin")
    root.put("/v1/configuration/SCOUT_SHORT_EXECTIME_user", json={"value": "10"})
    found = decode(ThresholdList, root.get("/v1/configuration").json()).thresholds
    assert {t.name for t in found} == {d.key for d in definitions()} | {"SCOUT_SHORT_EXECTIME_user"}
    [mine] = [t for t in found if t.name == "SCOUT_SHORT_EXECTIME_user"]
    assert (mine.value, mine.default, mine.unit, mine.changed_by) == (10.0, None, "min", "root")


@pytest.mark.parametrize(
    ("name", "body", "status", "words"),
    [
        ("SCOUT_RAMCOUNT_RANG", {"value": "1"}, 404, "did you mean SCOUT_RAMCOUNT_RANK?"),
        ("SCOUT_RAMCOUNT_RANK", {"value": "101"}, 422, "at most 100 (percentile)"),
        ("SCOUT_RAMCOUNT_RANK", {"value": "x"}, 422, "a number"),
        ("SCOUT_RAMCOUNT_RANK", {"value": "1", "vo": "a b"}, 422, "an organisation's name"),
        ("SCOUT_RAMCOUNT_RANK", {"value": 1}, 422, "a string is needed"),
        ("BROKERAGE_PRESET_user", {"value": "producton"}, 422, "did you mean production?"),
        ("BROKERAGE_PRESET_user", {"value": ""}, 422, "known are analysis, generic, production"),
        ("BROKERAGE_WEIGHT_user", {"value": "mine"}, 422, "unknown; there are none"),
        ("a b", {"value": "1"}, 422, "name"),
    ],
)
def test_wrong_change_is_refused_with_words(
    scene: Scene, name: str, body: dict[str, object], status: int, words: str
) -> None:
    answer = scene.person("root", "admin").put(f"/v1/configuration/{name}", json=body)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert scene.person("root", "admin").get("/v1/configuration").status_code == 200


def test_only_administrators_see_and_change_thresholds(scene: Scene) -> None:
    alice = scene.person("alice", "user", "production")
    for answer in (
        alice.get("/v1/configuration"),
        alice.get(RANK),
        alice.put(RANK, json={"value": "1"}),
        alice.delete(RANK),
    ):
        assert answer.status_code == 403
