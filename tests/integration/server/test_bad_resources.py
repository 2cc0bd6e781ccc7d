"""What operators and the world get wrong about resources, over HTTP: refused, or survived.

The list is that of the issue: unknown settings, shares that do not add up, a cycle in the tree, a
rule with a bad regular expression, a weight that divides by zero, a queue that vanishes while
jobs are there, statistics from the future.
"""

from __future__ import annotations

from typing import Any

import pytest

from broker import presets
from tasks import thresholds
from tasks.stages.pilot_streaming import pilot_streaming
from tasks.stages.queue_statistics import queue_statistics
from tasks.stages.rebrokerage import rebroker_waiting
from tasks.stages.share_counts import count_shares
from tests.builders import a_pilot, a_report, a_task, get_work, report, run_stages
from tests.integration.tasks.scene import rows, sql, status
from tests.server_scene import Scene

TOP = [{"name": "default", "weight": 100}]
FUTURE = "2100-01-01 00:00:00.000000"


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "words"),
    [
        pytest.param("put", "queues/LOCAL", {"site": "LOCAL", "settings": {"core_cont": 8}},
                     "core_cont", "did you mean core_count?", id="unknown setting"),
        pytest.param("post", "grid", {"document": {"queues": {"Q": {
            "site": "LOCAL", "settings": {"max_memory": 1}}}}},
            "queues.Q.settings.max_memory", "did you mean max_memory_mb?", id="in a document"),
        pytest.param("put", "shares", {"shares": [{"name": "default", "weight": 60},
                                                  {"name": "a", "weight": 41}]},
                     "weights at the top", "= 101", id="shares over 100"),
        pytest.param("put", "shares", {"shares": [*TOP, {"name": "x", "weight": 1, "parent": "y"},
                                                  {"name": "y", "weight": 1, "parent": "x"}]},
                     "share x.parent", "no cycle", id="cycle"),
        pytest.param("put", "shares", {"shares": [*TOP,
                                                  {"name": "x", "weight": 1, "parent": "x"}]},
                     "share x.parent", "no cycle", id="its own parent"),
        pytest.param("put", "share-rules", {"rules": [{"share": "default", "user": "a(b"}]},
                     "rules[0].user", "a regular expression", id="tagging rule"),
        pytest.param("post", "retry-rules",
                     {"source": "pilot", "action": "no_retry", "pattern": "[z-a]"},
                     "pattern", "bad character range z-a", id="retry rule"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_and_changes_nothing(
    scene: Scene, method: str, path: str, body: dict[str, Any], field: str, words: str
) -> None:
    root = scene.person("root", "admin")
    pages = ("queues", "shares", "share-rules", "retry-rules")
    before = [root.get(f"/v1/{page}").json() for page in pages]
    answer = getattr(root, method)(f"/v1/{path}", json=body)
    told = [f"{e['field']}: {e['value']} - {e['needed']}" for e in answer.json()["errors"]]
    assert (answer.status_code, answer.json()["code"]) == (422, "CULM-1001")
    assert any(line.startswith(field) and words in line for line in told), told
    assert [root.get(f"/v1/{page}").json() for page in pages] == before


def test_weight_that_divides_by_zero_holds_tasks_with_words_until_it_is_mended(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, alice = scene.person("root", "admin"), scene.person("alice")
    monkeypatch.setattr(presets, "load_plugin", lambda *_: lambda *_: 1 / 0)
    monkeypatch.setattr(thresholds, "plugins", lambda _: {"by_zero": None})
    url = "/v1/configuration/BROKERAGE_WEIGHT_user"
    assert root.put(url, json={"value": "by_zero"}).is_success
    task_id = a_task(scene.books)
    run_stages(scene.books)
    shown = alice.get(f"/v1/tasks/{task_id}").json()
    assert shown["status"] == "pending"
    assert "its weight cannot be computed: division by zero" in shown["reason"]
    why = alice.get(f"/v1/tasks/{task_id}/why?queues=true")
    assert (why.status_code, "division by zero" in why.text) == (200, True), why.text
    assert root.delete(url).is_success
    assert alice.post(f"/v1/tasks/{task_id}/commands", json={"command": "reactivate"}).is_success
    run_stages(scene.books)
    assert status(scene.books, task_id) == "running"


def test_queue_that_vanishes_leaves_its_jobs_to_others(scene: Scene) -> None:
    books, root, alice = scene.books, scene.person("root", "admin"), scene.person("alice")
    assert root.put("/v1/queues/GONE", json={"site": "GONE", "settings": {}}).status_code == 201
    root.post("/v1/queues/LOCAL/status", json={"status": "brokeroff"})
    task_id = a_task(books, n_jobs=3)
    run_stages(books)
    root.post("/v1/queues/LOCAL/status", json={"status": "online"})
    [(gone_id,)] = rows(books, "SELECT id FROM queue WHERE name = 'GONE'")
    assert rows(books, "SELECT DISTINCT queue_id FROM job") == [(gone_id,)]
    sql(books, "DELETE FROM queue_storage WHERE queue_id = :q", q=gone_id)
    sql(books, "DELETE FROM queue WHERE id = :q", q=gone_id)
    for daemon in (count_shares, queue_statistics, pilot_streaming):
        daemon(books)  # none of them falls over
    [job_id] = rows(books, "SELECT min(id) FROM job")[0]
    for page in (f"tasks/{task_id}", f"tasks/{task_id}/jobs", f"tasks/{task_id}/why",
                 f"jobs/{job_id}", f"jobs/{job_id}/why", "queues", "workers"):  # fmt: skip
        assert alice.get(f"/v1/{page}").status_code == 200, page
    assert "it is no more" in alice.get(f"/v1/jobs/{job_id}/why").json()["summary"]
    assert alice.get(f"/v1/jobs/{job_id}").json()["queue"] == "(gone)"
    gone = alice.get("/v1/queues/GONE")
    assert (gone.status_code, gone.json()["detail"]) == (404, "no queue GONE")
    assert rebroker_waiting(books) == "3 jobs sent elsewhere"
    pilot = a_pilot(books)
    run_stages(books)
    jobs = get_work(books, pilot).jobs
    assert len(jobs) == 3
    sql(books, "UPDATE storage_endpoint SET directory = NULL")  # outputs are not looked for
    report(books, pilot, *map(a_report, jobs))
    run_stages(books)
    assert status(books, task_id) == "done"


def test_statistics_from_the_future_are_taken_for_those_of_now(scene: Scene) -> None:
    books, alice = scene.books, scene.person("alice")
    a_pilot(books)
    first = a_task(books)
    run_stages(books)
    for count in (count_shares, queue_statistics):
        count(books)
    sql(books, "UPDATE queue_statistics SET last_pilot_at = :t, last_start_at = :t, at = :t, "
               "most_running_at = :t", t=FUTURE)  # fmt: skip
    sql(books, "UPDATE share_statistics SET at = :t", t=FUTURE)
    sql(books, "UPDATE pilot SET last_heard_at = :t", t=FUTURE)
    second = a_task(books)
    run_stages(books)
    assert (status(books, first), status(books, second)) == ("running", "running")
    for page in ("queues/LOCAL", "shares", "pilots", f"tasks/{second}/why"):
        assert alice.get(f"/v1/{page}").status_code == 200, page
    for count in (count_shares, queue_statistics):
        count(books)
    assert rows(books, "SELECT count(*) FROM share_statistics WHERE at = :t", t=FUTURE) == [(0,)]
