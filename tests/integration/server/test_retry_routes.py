"""Retry rules and a task's resources over HTTP."""

from __future__ import annotations

from culm.wire.codec import decode
from culm.wire.reports import JobMetrics
from culm.wire.resources import TaskResources
from culm.wire.retry_rules import RetryRuleList
from tests.builders import a_pilot, a_report, a_task, get_work, report, run_stages
from tests.server_scene import Scene


def test_rules_are_seen_by_all_and_changed_by_administrators(scene: Scene) -> None:
    root, alice = scene.person("root", "admin"), scene.person("alice")
    seeded = decode(RetryRuleList, alice.get("/v1/retry-rules").json()).rules
    assert {(rule.source, rule.action, rule.code) for rule in seeded} >= {
        ("pilot", "increase_cpu_time", 1213), ("pilot", "no_retry", 1190)}  # fmt: skip
    rule = {"source": "payload", "code": 3, "pattern": "no such branch", "action": "no_retry"}
    assert alice.post("/v1/retry-rules", json=rule).status_code == 403
    made = root.post("/v1/retry-rules", json=rule)
    assert (made.status_code, made.json()["changed_by"]) == (201, "root")
    url = f"/v1/retry-rules/{made.json()['rule_id']}"
    changed = root.put(url, json=rule | {"active": False})
    assert (changed.status_code, alice.get(url).json()["active"]) == (200, False)
    assert root.delete(url).status_code == 200
    for answer in (root.get(url), root.put(url, json=rule), root.delete(url)):
        assert answer.status_code == 404


def test_bad_regular_expression_is_refused_with_the_place_of_the_mistake(scene: Scene) -> None:
    root = scene.person("root", "admin")
    rule = {"source": "pilot", "pattern": "a(b", "action": "no_retry"}
    wrong = root.post("/v1/retry-rules", json=rule)
    assert (wrong.status_code, wrong.json()["errors"]) == (422, [{
        "field": "pattern", "value": "'a(b'",
        "needed": "a Python regular expression (missing ), unterminated subpattern at position 1)",
    }])  # fmt: skip


def test_scope_that_no_task_can_be_in_is_refused(scene: Scene) -> None:
    root = scene.person("root", "admin")
    rule = {"source": "pilot", "code": 1305, "action": "no_retry"}
    good = rule | {"architecture": "el9-opt", "release": "Athena-21.0.38", "work_queue": "default"}
    made = root.post("/v1/retry-rules", json=good)
    assert (made.status_code, made.json()["release"]) == (201, "Athena-21.0.38")
    for field, wrong, words in (
        ("work_queue", "defalt", "did you mean default?"), ("architecture", "a b", "no spaces"),
        ("release", "21", "PROJECT-VERSION"),
    ):  # fmt: skip
        refused = root.put(f"/v1/retry-rules/{made.json()['rule_id']}", json=rule | {field: wrong})
        [error] = refused.json()["errors"]
        assert (refused.status_code, error["field"]) == (422, field)
        assert words in error["needed"]


def test_owner_sees_asked_against_used(scene: Scene) -> None:
    with scene.books.write() as session:  # outputs are not looked for
        session.connection().exec_driver_sql("UPDATE storage_endpoint SET directory = NULL")
    task_id = a_task(scene.books, memory_mb=2000, n_jobs=2)
    run_stages(scene.books)
    pilot = a_pilot(scene.books)
    jobs = get_work(scene.books, pilot).jobs
    used = JobMetrics(max_pss_mb=300.5, wall_seconds=10.0, cpu_seconds=8.0, work_dir_mb=3.0)
    report(scene.books, pilot, *(a_report(job, metrics=used) for job in jobs))
    run_stages(scene.books)
    answer = scene.person("alice").get(f"/v1/tasks/{task_id}/resources")
    found = decode(TaskResources, answer.json())
    by_name = {one.name: (one.asked, one.used, one.next) for one in found.resources}
    assert (found.n_jobs, found.scouting) == (2, "")
    assert by_name["memory"] == (2000, 300.5, 2000)
    assert by_name["wall time"] == (86_400, 10, 86_400)
    assert by_name["CPU efficiency"] == (None, 0.8, None)
    assert scene.person("bob").get(f"/v1/tasks/{task_id}/resources").status_code in (403, 404)
