"""Payloads that are shut in: what they see, and that they are watched and ended as others."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from culm.core.images import refusal_of_bubblewrap
from culm.wire.error_codes import PilotError
from pilot.isolation import SHUT_IN
from tests.contract.pilot_server import until
from tests.integration.pilot.test_pilot_runs_jobs import an_input, log_names

pytestmark = pytest.mark.skipif(
    bool(refusal_of_bubblewrap(*SHUT_IN)), reason="bubblewrap does not work here"
)


def test_payload_sees_no_token_no_other_job_and_no_temporary_file(
    server, start, a_job, storage, tmp_path
):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("planted")
    command = (
        f"cat {tmp_path}/token {tmp_path}/secret/key; ls {tmp_path}/pilot/runs/*; ls -A /tmp; "
        "echo mine > /tmp/mine; cat /var/tmp/mine; touch /etc/made /usr/made; echo x > own; "
        "cat /proc/$PPID/environ | wc -c; cat /proc/*/root/etc/hostname | wc -l; echo end"
    )
    server.add(a_job("sleep 2", job_id=1), a_job(command, job_id=2, outputs={"own": "own.2"}))
    start(isolation="required", slots=2, batch=2, max_jobs=2, hide=tmp_path / "secret").ended()
    report = server.final(2)
    assert report.state == "finished"
    said = report.output_tail
    assert "planted" not in said
    assert "provisioning" not in said
    assert said.count("No such file") >= 2
    assert said.count("Read-only file system") == 2
    assert ("mine\n" in said, "end\n" in said) == (True, True)
    assert said.count("sleep") == 0
    assert (storage / "own.2").read_text() == "x\n"
    assert log_names(storage / "job-2.log.tgz") == ["payload.stderr", "payload.stdout"]


def test_payload_reads_input_in_place_and_its_python_runs(server, start, a_job, storage, tmp_path):
    item = an_input(storage, "in.txt", b"of the site\n")
    (storage / "in.txt").chmod(0o444)
    server.add(a_job('cat in.txt; "$CULM_PYTHON" -c "print(6 * 7)"; pwd; echo $HOME',
                     inputs=(item,), reads_directly=True))  # fmt: skip
    start(isolation="required", once=True).ended()
    first, second, where, home = server.final(1).output_tail.splitlines()[:4]
    assert (first, second) == ("of the site", "42")
    assert where == home


def test_payload_that_runs_containers_itself_finds_the_images(server, start, a_job, tmp_path):
    (tmp_path / "images" / "tiny").mkdir(parents=True)
    server.add(a_job('ls "$CULM_IMAGES"'))
    start(isolation="required", once=True, images=tmp_path / "images").ended()
    assert server.final(1).output_tail == "tiny\n"


def test_payload_may_clean_up_in_its_grace_and_its_exit_status_is_told(server, start, a_job):
    server.add(a_job("trap 'echo bye; exit 5' TERM; while :; do sleep 0.05; done",
                     walltime_seconds=1))  # fmt: skip
    start(isolation="required", once=True, kill_grace=5).ended()
    report = server.final(1)
    assert (report.exit_code, report.output_tail[:4]) == (5, "bye\n")
    assert report.pilot_error_code == PilotError.REACHED_MAX_TIME


def test_payload_that_a_signal_ended_is_told_so_and_measured(server, start, a_job):
    # Memory is looked at once a second.
    burn = ("python3 -c 'import time; x = bytearray(60_000_000); "
            "[i * i for i in range(6_000_000)]; time.sleep(2)'")  # fmt: skip
    server.add(a_job(f"{burn}; kill -11 $$"))
    start(isolation="required", once=True).ended()
    report = server.final(1)
    assert (report.exit_code, report.pilot_error_code) == (139, PilotError.SIGSEGV)
    assert report.metrics.cpu_seconds > 0.1
    assert report.metrics.max_pss_mb > 50


def test_process_that_escapes_is_killed_at_the_end(server, start, a_job):
    server.add(a_job("setsid sleep 77.25 & exit 0"))
    start(isolation="required", once=True).ended()
    assert server.final(1).state == "finished"
    until(lambda: not _living(b"77.25"))


def test_next_pilot_ends_what_a_killed_one_left(server, start, a_job):
    server.add(a_job("sleep 77.75"))
    first = start(isolation="required")
    until(lambda: _living(b"77.75"))
    first.signal(signal.SIGKILL)
    first.process.wait()
    assert _living(b"77.75")
    start(isolation="required", max_jobs=1, idle_exit=0.1).ended()
    assert not _living(b"77.75")


def test_pilot_that_must_shut_payloads_in_and_cannot_takes_no_job(
    server, start, a_job, monkeypatch, tmp_path
):
    monkeypatch.setenv("PATH", str(tmp_path))
    server.add(a_job())
    pilot = start(isolation="required", once=True)
    assert pilot.ended() == 2
    assert "payloads cannot be shut in: bubblewrap: it is not installed" in pilot.log
    assert server.given == {}


def test_pilot_that_cannot_says_so_once_and_goes_on(server, start, a_job, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    server.add(a_job(job_id=1), a_job(job_id=2))
    pilot = start(isolation="auto", batch=2, max_jobs=2)
    assert pilot.ended() == 0
    assert (server.final(1).state, server.final(2).state) == ("finished", "finished")
    assert pilot.log.count("they run without") == 1


def _living(word: bytes) -> bool:
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if word in words and ") Z" not in (process / "stat").read_text():
                return True
        except OSError:
            continue
    return False
