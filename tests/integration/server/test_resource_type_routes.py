"""Resource types over HTTP: shown to all, changed by administrators; what lives is counted anew."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.stages.share_counts import count_shares
from tests.builders import a_task, run_stages
from tests.integration.tasks.scene import rows
from tests.server_scene import Scene

URL = "/v1/resource-types"
HUGE = {"name": "HUGE", "min_cores": 16}


def test_types_are_seen_by_all_and_changed_by_administrators(scene: Scene) -> None:
    root, alice = scene.person("root", "admin"), scene.person("alice")
    seen = alice.get(URL).json()["types"]
    assert [t["name"] for t in seen] == ["MCORE", "MCORE_HIMEM", "SCORE", "SCORE_HIMEM"]
    for method in ("post", "put", "delete"):
        place = URL if method == "post" else f"{URL}/SCORE"
        more = {} if method == "delete" else {"json": HUGE}
        assert getattr(alice, method)(place, **more).status_code == 403
    made = root.post(URL, json=HUGE)
    assert (made.status_code, made.json()["min_cores"]) == (201, 16)
    changed = root.put(f"{URL}/HUGE", json=HUGE | {"name": "VERY_HUGE", "max_cores": 64})
    assert (changed.status_code, changed.json()["name"]) == (200, "VERY_HUGE")
    assert alice.get(f"{URL}/VERY_HUGE").json()["max_cores"] == 64
    assert root.delete(f"{URL}/VERY_HUGE").json()["name"] == "VERY_HUGE"
    assert len(alice.get(URL).json()["types"]) == 4


def test_living_tasks_and_jobs_are_counted_by_the_new_type(scene: Scene) -> None:
    root = scene.person("root", "admin")
    big = a_task(scene.books, n_jobs=3, core_count=16)
    small = a_task(scene.books, core_count=8)
    run_stages(scene.books)
    root.post(URL, json=HUGE)
    kinds = "SELECT t.id, t.resource_type, j.resource_type FROM task t JOIN job j ON j.task_id=t.id"
    assert set(rows(scene.books, kinds)) == {(big, "HUGE", "HUGE"), (small, "MCORE", "MCORE")}
    count_shares(scene.books)
    assert root.get(f"{URL}/HUGE").json()["n_queued"] == 3
    root.delete(f"{URL}/HUGE")
    root.delete(f"{URL}/MCORE")
    assert {row[1:] for row in rows(scene.books, kinds)} == {("Undefined", "Undefined")}


@pytest.mark.parametrize(
    ("method", "place", "body", "status", "words"),
    [
        ("post", "", HUGE | {"name": "SCORE"}, 409, "is there already"),
        ("post", "", HUGE | {"name": "Undefined"}, 422, "what fits no type"),
        ("post", "", HUGE | {"name": "a b"}, 422, "a resource type's name"),
        ("post", "", HUGE | {"name": "A" * 33}, 422, "name"),
        ("post", "", HUGE | {"max_cores": 15}, 422, "at most max_cores, which is 15"),
        ("post", "", HUGE | {"min_memory_mb_per_core": 2, "max_memory_mb_per_core": 1}, 422,
         "at most max_memory_mb_per_core, which is 1"),
        ("post", "", HUGE | {"min_core": 1}, 422, "did you mean min_cores?"),
        ("post", "", HUGE | {"max_cores": 0}, 422, "max_cores"),
        ("put", "/SCOR", HUGE, 404, "did you mean SCORE?"),
        ("put", "/SCORE", HUGE | {"name": "MCORE"}, 409, "is there already"),
        ("delete", "/HUGE", None, 404, "resource type HUGE"),
    ],
)  # fmt: skip
def test_wrong_types_change_nothing_and_are_named(
    scene: Scene, method: str, place: str, body: Any, status: int, words: str
) -> None:
    root = scene.person("root", "admin")
    before = root.get(URL).json()
    more = {} if body is None else {"json": body}
    answer = getattr(root, method)(URL + place, **more)
    problem = answer.json()
    told = problem["detail"] + "".join(
        f" {e['field']}: {e['needed']}" for e in problem.get("errors", [])
    )
    assert (answer.status_code, words in told) == (status, True), told
    assert root.get(URL).json() == before


def test_last_type_stays(scene: Scene) -> None:
    root = scene.person("root", "admin")
    for name in ("MCORE", "MCORE_HIMEM", "SCORE"):
        assert root.delete(f"{URL}/{name}").status_code == 200
    refused = root.delete(f"{URL}/SCORE_HIMEM")
    assert (refused.status_code, "is the last one" in refused.json()["detail"]) == (409, True)
