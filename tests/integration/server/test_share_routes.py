"""Shares over HTTP: shown to all, changed by administrators, claimed by production."""

from __future__ import annotations

from typing import Any

import pytest

from culm.wire.codec import decode
from culm.wire.shares import ShareList
from tasks.stages.pilot_streaming import pilot_streaming
from tasks.stages.share_counts import count_shares
from tests.builders import a_task, run_stages
from tests.server_scene import Scene

TREE = [
    {"name": "production", "weight": 70},
    {"name": "mc", "weight": 60, "parent": "production"},
    {"name": "data", "weight": 40, "parent": "production"},
    {"name": "default", "weight": 30},
]
RULES = [{"share": "mc", "activity": "managed", "campaign": "MC.*"}]


def test_tree_and_rules_are_written_and_shown(scene: Scene) -> None:
    root, alice = scene.person("root", "admin"), scene.person("alice")
    made = root.put("/v1/shares", json={"shares": TREE, "rules": RULES})
    assert made.status_code == 200, made.text
    a_task(scene.books, n_jobs=3, activity="managed", campaign="MC23")
    run_stages(scene.books)
    count_shares(scene.books)
    found = decode(ShareList, dict(alice.get("/v1/shares").json().items()))
    assert [(s.name, s.depth, s.parent, round(s.target, 3), s.n_queued) for s in found.shares] == [
        ("production", 0, None, 0.7, 3), ("mc", 1, "production", 0.42, 3),
        ("data", 1, "production", 0.28, 0), ("default", 0, None, 0.3, 0)]  # fmt: skip
    # what nobody else can use is due to the only share with work
    assert {s.name: s.due for s in found.shares}["mc"] == 1.0
    assert (found.counted_at or "").endswith("Z")
    [rule] = alice.get("/v1/share-rules").json()["rules"]
    assert (rule["share"], rule["campaign"], rule["user"]) == ("mc", "MC.*", "")


def test_weight_and_rules_are_changed_alone(scene: Scene) -> None:
    root = scene.person("root", "admin")
    root.put("/v1/shares", json={"shares": TREE})
    found = root.put("/v1/shares/mc", json={"weight": 30}).json()["shares"]
    assert {s["name"]: s["weight"] for s in found}["data"] == 70
    changed = root.put("/v1/share-rules", json={"rules": RULES})
    assert changed.json()["rules"][0]["share"] == "mc"
    assert root.put("/v1/share-rules", json={"rules": []}).json() == {"rules": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("put", "shares", {"shares": TREE[:3]}, 422, "weights at the top: production 70 = 70"),
        ("put", "shares", {"shares": [*TREE, {"name": "x", "weight": 1, "parent": "y"}]}, 422,
         "share x.parent"),
        ("put", "shares", {"shares": [*TREE, TREE[1]]}, 422, "each share once"),
        ("put", "shares", {"shares": [{"name": "a", "weight": -1}]}, 422, "must be from 0 to 100"),
        ("put", "shares", {"shares": [{"name": "a b", "weight": 1}]}, 422, "a share's name"),
        ("put", "shares", {"shares": TREE, "rules": [{"share": "mc", "user": "*"}]}, 422,
         "nothing to repeat"),
        ("put", "shares", {"shares": TREE, "rules": [{"share": "production"}]}, 422,
         "rules[0].share: production - unknown"),
        ("put", "shares/defalt", {"weight": 1}, 404, "did you mean default?"),
        ("put", "shares/default", {"weight": 50}, 422, "no sibling has weight to give"),
        ("put", "share-rules", {"rules": [{"share": "default", "usr": "x"}]}, 422,
         "did you mean user?"),
    ],
)  # fmt: skip
def test_wrong_shares_change_nothing_and_are_named(
    scene: Scene, method: str, path: str, body: Any, status: int, words: str
) -> None:
    root = scene.person("root", "admin")
    before = root.get("/v1/shares").json(), root.get("/v1/share-rules").json()
    answer = getattr(root, method)(f"/v1/{path}", json=body)
    problem = answer.json()
    told = problem["detail"] + "".join(
        f" {e['field']}: {e['value']} - {e['needed']}" for e in problem.get("errors", [])
    )
    assert (answer.status_code, words in told) == (status, True), told
    assert (root.get("/v1/shares").json(), root.get("/v1/share-rules").json()) == before


def test_user_changes_no_share(scene: Scene) -> None:
    alice = scene.person("alice", "user", "production")
    for path, body in (
        ("shares", {"shares": TREE}),
        ("shares/default", {"weight": 1}),
        ("share-rules", {"rules": []}),
    ):
        assert alice.put(f"/v1/{path}", json=body).status_code == 403


@pytest.mark.parametrize(
    "claim",
    [
        {"activity": "managed"}, {"working_group": "higgs"}, {"processing_type": "urgent"},
        {"campaign": "MC23"}, {"vo": "atlas"},
    ],
)  # fmt: skip
def test_only_production_says_whose_share_a_task_counts_for(
    scene: Scene, claim: dict[str, str]
) -> None:
    spec = {"name": "user.alice.x", "command": "true", **claim}
    refused = scene.person("alice").post("/v1/tasks", json=spec)
    assert (refused.status_code, refused.json()["code"]) == (403, "CULM-1003")
    assert next(iter(claim)) in refused.json()["detail"]
    assert scene.person("alice").post("/v1/tasks", json=spec | dict.fromkeys(claim)).is_success
    official = spec | {"name": "official.x"}
    made = scene.person("prod", "production").post("/v1/tasks", json=official)
    assert made.status_code == 201


def test_task_shows_its_share(scene: Scene) -> None:
    alice = scene.person("alice")
    spec = {"name": "user.alice.x", "command": "true", "activity": "user", "memory_mb": 9000}
    task_id = alice.post("/v1/tasks", json=spec).json()["task_id"]
    shown = alice.get(f"/v1/tasks/{task_id}").json()
    assert (shown["share"], shown["resource_type"]) == ("default", "SCORE_HIMEM")


def test_provisioner_sees_what_its_queues_want(scene: Scene) -> None:
    a_task(scene.books, n_jobs=3)
    run_stages(scene.books)
    pilot_streaming(scene.books)
    seen = scene.person("alice").get("/v1/workers").json()["workers"]
    assert [(w["queue"], w["resource_type"], w["n_workers"]) for w in seen] == [
        ("LOCAL", "SCORE", 3)]  # fmt: skip
    assert scene.provisioner("LOCAL").get("/v1/workers").json()["workers"] == seen
    assert scene.provisioner("BIG").get("/v1/workers").json() == {"workers": []}
    assert scene.pilot().get("/v1/workers").status_code == 403
    assert scene.person("alice").get("/v1/queues/LOCAL").json()["workers_wanted"] == {"SCORE": 3}


def test_provisioner_takes_what_its_queues_want(scene: Scene) -> None:
    a_task(scene.books, n_jobs=3)
    run_stages(scene.books)
    pilot_streaming(scene.books)
    wish = {"queue": "LOCAL", "resource_type": "SCORE", "n_workers": 2}
    mine, others = scene.provisioner("LOCAL"), scene.provisioner("BIG")
    assert others.post("/v1/workers", json=wish).status_code == 403
    assert scene.person("alice").post("/v1/workers", json=wish).status_code == 403
    granted = [mine.post("/v1/workers", json=wish).json()["n_workers"] for _ in range(3)]
    assert granted == [2, 1, 0]
    assert mine.get("/v1/workers").json() == {"workers": []}
    [fault] = mine.post("/v1/workers", json=wish | {"n_workers": -1}).json()["errors"]
    assert (fault["field"], fault["needed"]) == ("n_workers", "must be from 0 to 100000")
