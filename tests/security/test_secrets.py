"""Secrets: theirs who set them, given to their jobs alone, ciphertext at rest, in no log."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from culm.core.errors import Misconfigured
from culm.wire.secrets import MAX_SECRET_BYTES
from tasks.sealing import Sealed, SealingKeys, make_sealing_key
from tasks.secrets import seal_anew
from tests.builders import a_task, run_stages
from tests.integration.server.test_search_routes import end, work_of
from tests.integration.tasks.scene import rows, sql
from tests.server_scene import Caller, Scene, told

PLANTED = "pl4nted-s3cret-value"


def running_job(scene: Scene, **changes: Any) -> tuple[Caller, dict[str, Any]]:
    a_task(scene.books, user="alice", **{"use_secrets": True} | changes)
    run_stages(scene.books)
    pilot = scene.pilot()
    [job] = work_of(pilot)
    return pilot, job


@pytest.fixture
def alice(scene: Scene) -> Caller:
    caller = scene.person("alice")
    caller.put("/v1/secrets/TOKEN", content=PLANTED.encode()).raise_for_status()
    return caller


def test_list_shows_names_only_and_the_value_is_its_owners(scene: Scene, alice: Caller) -> None:
    listed = alice.get("/v1/secrets")
    assert PLANTED not in listed.text
    [shown] = told(listed)["secrets"]
    assert (shown["name"], shown["is_file"], shown["size_bytes"]) == ("TOKEN", False, len(PLANTED))
    answer = alice.get("/v1/secrets/TOKEN")
    assert (answer.text, "no-store" in answer.headers["cache-control"]) == (PLANTED, True)
    for other in (scene.person("bob"), scene.person("root", "admin", "production")):
        assert told(other.get("/v1/secrets")) == {"secrets": []}
        assert other.get("/v1/secrets/TOKEN").status_code == 404
        assert other.delete("/v1/secrets/TOKEN").status_code == 404
        assert told(other.delete("/v1/secrets")) == {"secrets": []}
    assert alice.get("/v1/secrets/TOKEN").text == PLANTED


def test_what_was_done_with_secrets_is_kept(scene: Scene, alice: Caller) -> None:
    pilot, job = running_job(scene)
    pilot.get(job["secrets_url"]).raise_for_status()
    alice.get("/v1/secrets/TOKEN")
    alice.delete("/v1/secrets")
    uses = told(alice.get("/v1/secret-uses"))["uses"]
    assert [(use["event"], use["name"], use.get("job_id")) for use in uses] == [
        ("deleted", "", None), ("shown", "TOKEN", None), ("given", "", job["job_id"]),
        ("set", "TOKEN", None),
    ]  # fmt: skip
    assert told(scene.person("bob").get("/v1/secret-uses")) == {"uses": []}


def test_job_that_asked_gets_all_of_its_owners_secrets(scene: Scene, alice: Caller) -> None:
    scene.person("bob").put("/v1/secrets/BOBS", content=b"not for alice")
    alice.put("/v1/secrets/key.bin?file=true", content=b"\x00\xff")
    pilot, job = running_job(scene)
    assert told(pilot.get(job["secrets_url"]))["secrets"] == {
        "TOKEN": PLANTED, "___file___:key.bin": base64.b64encode(b"\x00\xff").decode(),
    }  # fmt: skip


def test_only_the_pilot_that_has_the_job_gets_them_while_it_has_it(
    scene: Scene, alice: Caller
) -> None:
    pilot, job = running_job(scene)
    url = job["secrets_url"]
    strangers = (alice, scene.person("root", "admin"), scene.pilot(), scene.provisioner())
    assert [caller.get(url).status_code for caller in strangers] == [404] * 4
    assert pilot.get(url.replace("attempts/1", "attempts/2")).status_code == 404
    assert pilot.get(url).status_code == 200
    end(scene, pilot, job, "finished")
    assert pilot.get(url).status_code == 404


def test_job_that_did_not_ask_gets_none(scene: Scene, alice: Caller) -> None:
    pilot, job = running_job(scene, use_secrets=False)
    assert job["secrets_url"] is None
    path = f"/v1/jobs/{job['job_id']}/attempts/{job['attempt_nr']}/secrets"
    assert pilot.get(path).status_code == 404


def test_planted_secret_is_nowhere_in_books_logs_and_answers(
    scene: Scene, alice: Caller, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with caplog.at_level(logging.DEBUG):
        alice.put("/v1/secrets/TOKEN", content=PLANTED.encode())
        pilot, job = running_job(scene)
        pilot.get(job["secrets_url"]).raise_for_status()
        answers = [
            alice.get(f"/v1/jobs/{job['job_id']}"),
            alice.get(f"/v1/tasks/{job['task_id']}/parameters"),
            alice.put("/v1/secrets/a b", content=PLANTED.encode()),
            alice.put("/v1/secrets/TWO", content=PLANTED.encode() + b"\x00"),
            alice.put("/v1/secrets/BIG", content=PLANTED.encode() * MAX_SECRET_BYTES),
        ]
    for form in (PLANTED, base64.b64encode(PLANTED.encode()).decode(), PLANTED.encode().hex()):
        assert form not in caplog.text
        assert form not in json.dumps(job)
        assert not any(form in answer.text for answer in answers)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert any(path.name == "culm.db" for path in files)
        assert not [path for path in files if form.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("path", "content", "status", "words"),
    [
        ("TOKEN", b"", 422, "say what the secret is"),
        ("TOKEN", b"\xff", 422, "give other bytes as a file"),
        ("TOKEN", b"a\x00b", 422, "give other bytes as a file"),
        ("a%20b", b"x", 422, "pattern"),
        ("..", b"x", 404, ""),
        ("a" * 256, b"x", 422, "pattern"),
        ("payload.stdout?file=true", b"x", 422, "a secret's name is"),
        ("panda_secrets.json", b"x", 422, "a secret's name is"),
        ("TOKEN", b"x" * (MAX_SECRET_BYTES + 1), 413, "at most"),
    ],
    ids=["empty", "no text", "NUL", "blank", "dots", "long", "output", "the file itself", "large"],
)
def test_bad_secret_is_refused(
    scene: Scene, alice: Caller, path: str, content: bytes, status: int, words: str
) -> None:
    answer = alice.put(f"/v1/secrets/{path}", content=content)
    assert (answer.status_code, words in answer.text) == (status, True), answer.text
    assert alice.get("/v1/secrets/TOKEN").text == PLANTED


def test_room_for_secrets_ends(scene: Scene, alice: Caller) -> None:
    for number in range(9):
        answer = alice.put(f"/v1/secrets/B{number}", content=b"x" * MAX_SECRET_BYTES)
        assert answer.status_code == 200
    over = alice.put("/v1/secrets/B9", content=b"x" * MAX_SECRET_BYTES)
    assert (over.status_code, "all secrets together" in over.text) == (413, True)
    again = alice.put("/v1/secrets/B8", content=b"y" * MAX_SECRET_BYTES)
    assert again.status_code == 200


def test_keys_lie_outside_of_the_database_for_one_user_only(scene: Scene, alice: Caller) -> None:
    folder = scene.settings.keys_dir / "secrets"
    [key] = folder.glob("*.key")
    assert (key.stat().st_mode & 0o777, folder.stat().st_mode & 0o777) == (0o600, 0o700)
    key.chmod(0o644)
    with pytest.raises(Misconfigured, match="can be read by others"):
        SealingKeys.open(folder)
    key.chmod(0o600)
    key.write_text("no key")
    with pytest.raises(Misconfigured, match="is no key for secrets"):
        SealingKeys.open(folder)


def test_ciphertext_in_another_row_does_not_open(scene: Scene, alice: Caller) -> None:
    scene.person("bob").put("/v1/secrets/TOKEN", content=b"bob's own")
    sql(scene.books, "UPDATE secret SET sealed = (SELECT sealed FROM secret WHERE owner = 'alice') "
                     "WHERE owner = 'bob'")  # fmt: skip
    answer = scene.person("bob").get("/v1/secrets/TOKEN")
    assert (answer.status_code, PLANTED in answer.text) == (500, False)
    assert alice.get("/v1/secrets/TOKEN").text == PLANTED


def test_new_key_seals_anew_and_the_old_one_may_go(scene: Scene, alice: Caller) -> None:
    folder = scene.settings.keys_dir / "secrets"
    [old] = folder.glob("*.key")
    key_id = make_sealing_key(folder)
    with scene.books.write() as session:
        assert seal_anew(session, SealingKeys.open(folder)) == 1
    old.unlink()
    assert alice.get("/v1/secrets/TOKEN").text == PLANTED  # the server read the new key by itself
    assert rows(scene.books, "SELECT key_id FROM secret") == [(key_id,)]


def test_lost_key_is_named_and_a_new_value_mends_it(scene: Scene, alice: Caller) -> None:
    folder = scene.settings.keys_dir / "secrets"
    keys = SealingKeys.open(folder)
    with pytest.raises(Misconfigured, match="is sealed with key gone, which is not here"):
        keys.unseal("alice", "TOKEN", Sealed("gone", b"x" * 40))
    sql(scene.books, "UPDATE secret SET key_id = 'gone'")
    assert alice.get("/v1/secrets/TOKEN").status_code == 500
    assert alice.put("/v1/secrets/TOKEN", content=b"new").status_code == 200
    assert alice.get("/v1/secrets/TOKEN").text == "new"
