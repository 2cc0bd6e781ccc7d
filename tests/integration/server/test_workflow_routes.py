"""Workflows over HTTP: looked at for whoever may write the datasets."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import server.workflows as desk
from culm.core.errors import Busy
from culm.wire.workflows import WorkflowBundle
from tests.cwl_scene import a_workflow, prun
from tests.server_scene import Scene

CHAIN = a_workflow(prun("top") + prun("bottom", "opt_inDS: top/outDS"))


def a_bundle(**changes: Any) -> dict[str, Any]:
    return {"name": "user.alice.w", "cwl": "c.cwl", "files": {"c.cwl": CHAIN}} | changes


def test_check_answers_with_each_step(scene: Scene) -> None:
    answer = scene.person("alice").post("/v1/workflows/check", json=a_bundle())
    assert answer.status_code == 200, answer.text
    steps = answer.json()["steps"]
    assert [(s["id"], s["parents"], s["outputs"]) for s in steps] == [
        ("000_top", [], ["user.alice.w_000_top_a.txt"]),
        ("001_bottom", ["000_top"], ["user.alice.w_001_bottom_a.txt"]),
    ]


def test_input_that_is_not_there_yet_is_told(scene: Scene) -> None:
    alice = scene.person("alice")
    alice.post("/v1/datasets", json={"name": "user.alice.in"}, headers={"Idempotency-Key": "k"})
    steps = prun("a", "opt_inDS: {default: 'user.alice.in/,user.bob.in'}") + prun(
        "b", "opt_inDS: a/outDS", "opt_secondaryDSs: {default: [mc:more]}",
        outputs="a.txt --secondaryDSs IN2:1:%{DS1}",
    )  # fmt: skip
    answer = alice.post("/v1/workflows/check", json=a_bundle(files={"c.cwl": a_workflow(steps)}))
    assert answer.json()["warnings"] == [
        "c.cwl:13 b: no dataset mc:more yet", "c.cwl:6 a: no dataset user.bob.in yet",
    ]  # fmt: skip


def test_check_answers_with_all_faults(scene: Scene) -> None:
    wrong = CHAIN.replace("top/outDS", "tap/outDS")
    answer = scene.person("alice").post("/v1/workflows/check",
                                        json=a_bundle(files={"c.cwl": wrong}))  # fmt: skip
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "c.cwl:17 bottom.opt_inDS", "value": "tap/outDS",
         "needed": "there is no step tap; did you mean top/outDS?"}]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"name": "user.bob.w"}, 403), ({"name": "a b"}, 422), ({"cwl": 3}, 422),
     ({"files": {"c.cwl": 3}}, 422), ({"cwl": "d.cwl"}, 422)],
)  # fmt: skip
def test_bad_requests_are_refused(scene: Scene, changes: dict[str, Any], status: int) -> None:
    answer = scene.person("alice").post("/v1/workflows/check", json=a_bundle(**changes))
    assert answer.status_code == status, answer.text


def test_too_much_is_refused_before_it_is_read(scene: Scene) -> None:
    body = b"x" * (17 << 20)
    assert scene.person("alice").post("/v1/workflows/check", content=body).status_code == 413


def test_more_workflows_than_places_must_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = threading.Semaphore(0), threading.Event()

    def slow(bundle: WorkflowBundle) -> Any:
        entered.release()
        go_on.wait(30)

    monkeypatch.setattr(desk, "check", slow)
    bundle = WorkflowBundle(name="user.alice.w", cwl="c.cwl")
    threads = [threading.Thread(target=desk.look_at, args=(bundle,)) for _ in range(desk.AT_ONCE)]
    for thread in threads:
        thread.start()
        assert entered.acquire(timeout=30)
    with pytest.raises(Busy):
        desk.look_at(bundle)
    go_on.set()
    for thread in threads:
        thread.join(30)
    desk.look_at(bundle)


LOOP = "  l:\n    run: body.cwl\n    in: []\n    out: []\n    hints: [loop]\n"
NEEDS_N = "inputs: {n: int}\noutputs: []"
WRONG = [
    # documents, YAML, what is told: all of it at once
    ({"c.cwl": a_workflow(prun("a", "opt_inDS: tap/outDS", "opt_memry: {default: 3}")
                          + prun("b", "opt_inDS: c/outDS") + prun("c", "opt_inDS: b/outDS") + LOOP
                          + prun("top")),
      "body.cwl": CHAIN}, "",
     ["c.cwl:12 a: opt_memry - unknown option of prun; did you mean opt_memory?",
      "c.cwl:11 a.opt_inDS: tap/outDS - there is no step tap; did you mean top/outDS?",
      "c.cwl:32 l: loop - no junction in body.cwl: nothing would ever end this loop",
      "c.cwl:14 b: b → c → b - steps cannot wait for each other: leave out one of these links"]),
    ({"c.cwl": a_workflow(prun("a", "opt_inDS: n"), head=NEEDS_N), "i.yaml": "n: 1"}, "i.yaml",
     ["c.cwl:11 a.opt_inDS: n is int - takes string or (string or string[])[], or nothing"]),
    ({"c.cwl": a_workflow(prun("a"), head=NEEDS_N)}, "",
     ["--yaml n: missing - the workflow needs the input n"]),
    ({"c.cwl": a_workflow("  s:\n    run: phpo\n    in:\n      opt_args: {default: "
                          "'--evaluationExec e --searchSpaceFile s.json'}\n    out: [outDS]\n"),
      "s.json": "{}"}, "",
     ["c.cwl:6 s --searchSpaceFile s.json:1: empty - name at least one hyperparameter"]),
]  # fmt: skip


def test_wrong_documents_are_refused_whole_with_file_line_and_step(scene: Scene) -> None:
    alice = scene.person("alice")
    for files, yaml, words in WRONG:
        answer = alice.post("/v1/workflows", json={"bundle": a_bundle(files=files, yaml=yaml)})
        found = [f"{e['field']}: {e['value']} - {e['needed']}" for e in answer.json()["errors"]]
        assert (answer.status_code, found) == (422, words)
    assert alice.get("/v1/workflows").json()["workflows"] == []
