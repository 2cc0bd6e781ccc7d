"""Small files of a job: given with it, left by it for the server, saved while it runs."""

from __future__ import annotations

import signal
import tarfile

import pytest

from culm.core.archives import files_below, pack
from culm.wire.error_codes import PilotError
from culm.wire.job_spec import SavedFile

PLACE = "/v1/jobs/1/checkpoints/7"


def saved_file(name="state.tgz"):
    return SavedFile(local_name=name, url=PLACE)


def test_files_of_the_job_are_written_over_those_of_the_sandbox(server, start, a_job, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "target").write_text("kept\n")
    (tree / "run.txt").write_text("of the sandbox\n")
    pack(files_below(tree), tmp_path / "a.tgz")
    sandbox = server.add_sandbox((tmp_path / "a.tgz").read_bytes())
    server.add(a_job("cat run.txt target", sandbox=sandbox, files={"run.txt": "of the job: é\n"}))
    start(once=True).ended()
    assert server.final(1).output_tail == "of the job: é\nkept\n"


def test_result_comes_back_with_the_final_report(server, start, a_job):
    server.add(a_job("echo '{\"a\": 1}' > out.json", result_name="out.json"))
    start(once=True).ended()
    assert server.final(1).result == '{"a": 1}\n'


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("echo nonsense > out.json", PilotError.PAYLOAD_EXECUTION_FAILURE, "out.json is not valid"),
        ("head -c 1000000 /dev/zero | tr '\\0' 1 > out.json", PilotError.OUTPUT_FILE_TOO_LARGE,
         "out.json has 1000000 bytes"),
    ],
)  # fmt: skip
def test_result_that_is_no_small_json_fails_the_job(server, start, a_job, command, code, words):
    server.add(a_job(command, result_name="out.json"))
    start(once=True).ended()
    report = server.final(1)
    assert (report.state, report.pilot_error_code, report.result) == ("failed", code, None)
    assert words in report.pilot_error_diag


def test_result_that_is_not_left_is_left_to_the_server_to_judge(server, start, a_job):
    server.add(a_job("ln -s /etc/passwd out.json", result_name="out.json"))
    start(once=True).ended()
    report = server.final(1)
    assert (report.state, report.result) == ("finished", None)


@pytest.mark.parametrize("values", [{"files": {"../evil": ""}}, {"saved": (saved_file("a/b"),)}])
def test_names_that_lead_elsewhere_are_refused(server, start, a_job, values):
    server.add(a_job(**values))
    start(once=True).ended()
    report = server.final(1)
    assert report.pilot_error_code == PilotError.SETUP_FAILURE
    assert "file" in report.pilot_error_diag


def test_last_state_of_a_saved_file_is_sent_though_the_payload_is_killed(
    server, start, a_job, storage
):
    server.add(a_job("echo one > state.tgz; echo two > state.tgz; kill -9 $$",
                     saved=(saved_file(),)))  # fmt: skip
    start(once=True).ended()
    assert server.final(1).state == "failed"
    assert server.storage[PLACE] == b"two\n"
    with tarfile.open(storage / "job-1.log.tgz") as log:
        assert "state.tgz" not in log.getnames()


def test_saved_file_is_sent_while_the_job_runs_and_survives_its_pilot(server, start, a_job):
    server.add(a_job("echo early > state.tgz; sleep 60", saved=(saved_file(),)))
    pilot = start(once=True)
    server.wait_for(lambda: server.storage.get(PLACE) == b"early\n")
    pilot.signal(signal.SIGKILL)
    pilot.ended()
    assert server.storage[PLACE] == b"early\n"


def test_saved_file_that_cannot_be_sent_costs_no_job(server, start, a_job):
    server.faults.corrupt_uploads = True
    server.add(a_job("echo state > state.tgz", saved=(saved_file(),), log=False))
    pilot = start(once=True)
    pilot.ended()
    assert server.final(1).state == "finished"
    assert "state.tgz could not be saved" in pilot.log
