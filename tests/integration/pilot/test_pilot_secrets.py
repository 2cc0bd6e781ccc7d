"""Secrets where the payload runs: there while it runs, and in nothing that is kept of it."""

from __future__ import annotations

import base64
import json

import pytest

from culm.wire.error_codes import PilotError
from tests.integration.pilot.test_pilot_runs_jobs import log_names

URL = "/v1/storage/secrets-of-1"
PLANTED = "pl4nted-s3cret-value"
SECRETS = {
    "TOKEN": PLANTED,
    "___file___:key.pem": base64.b64encode(PLANTED.encode()).decode(),
}
LOOK = (
    "python3 -c \"import json; print(len(json.load(open('panda_secrets.json'))['TOKEN']))\"; "
    "wc -c < key.pem; stat -c %a panda_secrets.json key.pem; env | grep -c pl4nted; "
)


def test_payload_finds_its_secrets_and_nothing_keeps_them(server, start, a_job, storage):
    server.storage[URL] = json.dumps({"secrets": SECRETS}).encode()
    server.add(a_job(LOOK + "echo 1 > a.json", secrets_url=URL, outputs={"*.json": "o.tgz"}))
    pilot = start(once=True)
    assert pilot.ended() == 0
    report = server.final(1)
    assert report.output_tail.split() == ["20", "20", "600", "600", "0"]
    assert report.state == "finished"
    assert log_names(storage / "o.tgz") == ["a.json"]
    assert log_names(storage / "job-1.log.tgz") == ["payload.stderr", "payload.stdout"]
    assert PLANTED not in pilot.log


def test_secrets_are_gone_from_a_directory_that_the_payload_locked(server, start, a_job, storage):
    server.storage[URL] = json.dumps({"secrets": SECRETS}).encode()
    server.add(a_job("chmod 500 . ; exit 3", secrets_url=URL))
    start(once=True).ended()
    assert server.final(1).exit_code == 3
    assert log_names(storage / "job-1.log.tgz") == ["payload.stderr", "payload.stdout"]


@pytest.mark.parametrize(
    "body",
    [None, b'{"secrets": {"TOKEN": 17}}', b'{"secrets": {"___file___:k": "%"}}',
     b'{"secrets": {"___file___:../k": ""}}'],
    ids=["not given", "no text", "no Base64", "a path"],
)  # fmt: skip
def test_job_whose_secrets_cannot_be_had_does_not_run(server, start, a_job, body):
    if body is not None:
        server.storage[URL] = body
    server.add(a_job("echo ran", secrets_url=URL))
    start(once=True).ended()
    report = server.final(1)
    assert report.pilot_error_code in (PilotError.STAGE_IN_FAILED, PilotError.SETUP_FAILURE)
    assert (report.exit_code, "secret" in report.pilot_error_diag) == (None, True)
    assert "17" not in report.pilot_error_diag
