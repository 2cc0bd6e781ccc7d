"""A pilot process runs jobs of a server: what it stores and what it says."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest

from culm.core.archives import files_below, pack
from culm.wire.error_codes import PilotError
from culm.wire.job_spec import JobInput, JobOutput
from culm.wire.reports import OutputFile, ReportState


def adler32(body: bytes) -> str:
    return f"{zlib.adler32(body):08x}"


def log_names(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return sorted(archive.getnames())


def an_input(folder: Path, lfn: str, body: bytes, **values: object) -> JobInput:
    (folder / lfn).write_bytes(body)
    announced = {"size_bytes": len(body), "adler32": adler32(body), **values}
    return JobInput(lfn=lfn, stream="IN", urls=(f"file://{folder}/{lfn}",), **announced)


def test_job_turns_input_into_output(server, start, a_job, storage, tmp_path):
    item = an_input(storage, "numbers.txt", b"3\n1\n2\n")
    server.add(
        a_job(
            "sort numbers.txt > sorted.txt; echo done",
            inputs=(item,),
            outputs={"sorted.txt": "user.a.sorted.1.txt"},
        )
    )
    pilot = start(once=True)
    report = server.final(1)
    assert pilot.ended() == 0
    assert (report.state, report.exit_code, report.pilot_error_code) == ("finished", 0, 0)
    assert (storage / "user.a.sorted.1.txt").read_bytes() == b"1\n2\n3\n"
    assert report.outputs[0] == OutputFile(
        lfn="user.a.sorted.1.txt", size_bytes=6, adler32=adler32(b"1\n2\n3\n")
    )
    assert report.output_tail == "done\n"
    assert log_names(storage / "job-1.log.tgz") == ["payload.stderr", "payload.stdout"]
    assert server.signed_off == 1
    assert list((tmp_path / "pilot" / "runs").iterdir()) == []
    assert not list(storage.glob(".*.part"))


def test_many_jobs_are_reported_together(server, start, a_job):
    server.add(*(a_job(job_id=n, log=False) for n in range(1, 41)))
    pilot = start(slots=2, batch=10, max_jobs=40)
    assert pilot.ended() == 0
    finals = [r for r in server.reports if r.state == ReportState.FINISHED]
    assert sorted(r.job_id for r in finals) == list(range(1, 41))
    assert max(server.batches) > 1


def test_sandbox_is_fetched_once_and_unpacked_for_each_job(server, start, a_job, tmp_path):
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "run.sh").write_text("#!/bin/sh\necho from the sandbox >> run.sh\ncat run.sh\n")
    (tree / "run.sh").chmod(0o755)
    pack(files_below(tree), tmp_path / "a.tgz")
    sandbox = server.add_sandbox((tmp_path / "a.tgz").read_bytes())
    server.add(*(a_job("./run.sh", job_id=n, sandbox=sandbox) for n in (1, 2, 3)))
    start(slots=2, batch=3, max_jobs=3).ended()
    assert [server.final(n).output_tail.count("from the sandbox") for n in (1, 2, 3)] == [2, 2, 2]
    assert server.sandbox_downloads == 1


def test_sandbox_with_another_digest_or_an_unsafe_one_is_refused(server, start, a_job, tmp_path):
    with tarfile.open(tmp_path / "a.tgz", "w:gz") as archive:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    unsafe = server.add_sandbox((tmp_path / "a.tgz").read_bytes())
    false = server.add_sandbox(b"some bytes")
    server.sandboxes[false.digest] = b"more bytes"
    server.add(a_job("true", job_id=1, sandbox=unsafe), a_job("true", job_id=2, sandbox=false))
    start(batch=2, max_jobs=2).ended()
    codes = [server.final(n).pilot_error_code for n in (1, 2)]
    assert codes == [PilotError.NO_USER_TARBALL] * 2


def test_wildcard_outputs_become_one_tarball(server, start, a_job, storage):
    server.add(
        a_job(
            "echo 1 > a1.txt; echo 2 > a2.txt; echo 3 > b.txt",
            outputs={"a*.txt": "user.a.aXYZ.txt.tgz"},
        )
    )
    start(once=True).ended()
    assert server.final(1).state == ReportState.FINISHED
    assert log_names(storage / "user.a.aXYZ.txt.tgz") == ["a1.txt", "a2.txt"]
    assert "b.txt" in log_names(storage / "job-1.log.tgz")


def test_input_and_output_go_through_the_server_with_the_pilots_token(server, start, a_job):
    server.storage["/v1/storage/main/in.dat"] = b"x" * 100_000
    item = JobInput(
        lfn="in.dat",
        stream="IN",
        urls=("/v1/storage/main/in.dat",),
        size_bytes=100_000,
        adler32=adler32(b"x" * 100_000),
    )
    job = a_job("tr x y < in.dat > out.dat", inputs=(item,), log=False)
    out = JobOutput(
        local_name="out.dat", lfn="out.dat", url=f"{server.url}/v1/storage/main/out.dat"
    )
    server.add(
        type(job)(**{**{f: getattr(job, f) for f in job.__dataclass_fields__}, "outputs": (out,)})
    )
    start(once=True).ended()
    assert server.final(1).pilot_error_diag == ""
    assert server.storage["/v1/storage/main/out.dat"] == b"y" * 100_000


@pytest.mark.parametrize(("command", "code", "exit_code"), [
    ("echo oops >&2; exit 3", PilotError.PAYLOAD_EXECUTION_FAILURE, 3),
    ("no-such-command", PilotError.PAYLOAD_EXECUTION_FAILURE, 127),
    ("kill -9 $$", PilotError.KILL_SIGNAL, -9),
    ("kill -15 $$", PilotError.KILL_SIGNAL, -15),
    ("kill -11 $$", PilotError.SIGSEGV, -11),
    ("echo 'MemoryError' >&2; exit 1", PilotError.PAYLOAD_OUT_OF_MEMORY, 1),
    ("true", PilotError.MISSING_OUTPUT_FILE, 0),
    ("ln -s /etc/passwd out.txt", PilotError.MISSING_OUTPUT_FILE, 0),
    ("echo no json > userJobMetadata.json", PilotError.PAYLOAD_EXECUTION_FAILURE, 0),
])  # fmt: skip
def test_payload_that_fails_is_reported_with_its_code(  # noqa: PLR0917
    server, start, a_job, storage, command, code, exit_code
):
    server.add(a_job(command, outputs={"out.txt": "out.txt"}))
    start(once=True).ended()
    report = server.final(1)
    assert (report.state, report.pilot_error_code, report.exit_code) == ("failed", code, exit_code)
    assert report.pilot_error_diag
    assert [output.lfn for output in report.outputs] == ["job-1.log.tgz"]
    assert not (storage / "out.txt").exists()


def test_users_metadata_is_reported(server, start, a_job):
    server.add(a_job("""echo '{"accuracy": 0.98}' > userJobMetadata.json"""))
    start(once=True).ended()
    assert json.loads(server.final(1).user_metadata) == {"accuracy": 0.98}


@pytest.mark.parametrize(("changes", "code"), [
    ({"adler32": "00000001"}, PilotError.GET_ADLER_MISMATCH),
    ({"size_bytes": 99}, PilotError.STAGE_IN_FAILED),
])  # fmt: skip
def test_input_that_is_not_as_announced_fails_the_job(server, start, a_job, storage, changes, code):
    server.add(a_job("touch started", inputs=(an_input(storage, "a.txt", b"abc", **changes),)))
    start(once=True).ended()
    report = server.final(1)
    assert (report.pilot_error_code, report.exit_code) == (code, None)


def test_second_place_of_an_input_is_used_when_the_first_is_bad(server, start, a_job, storage):
    good = an_input(storage, "a.txt", b"good")
    (storage / "bad").mkdir()
    (storage / "bad" / "a.txt").write_bytes(b"evil")
    urls = (f"file://{storage}/gone/a.txt", f"file://{storage}/bad/a.txt", *good.urls)
    item = JobInput(lfn="a.txt", stream="IN", urls=urls, size_bytes=4, adler32=good.adler32)
    server.add(a_job("cat a.txt", inputs=(item,)))
    start(once=True).ended()
    assert server.final(1).output_tail == "good"


def test_input_that_is_nowhere_has_no_replica(server, start, a_job, storage):
    item = JobInput(lfn="a.txt", stream="IN", urls=(f"file://{storage}/a.txt",))
    server.add(a_job("true", inputs=(item,)))
    start(once=True).ended()
    assert server.final(1).pilot_error_code == PilotError.REPLICA_NOT_FOUND


def test_output_that_changes_on_its_way_fails_the_job(server, start, a_job):
    server.faults.corrupt_uploads = True
    job = a_job("echo 1 > out", log=False)
    out = JobOutput(local_name="out", lfn="out", url="/v1/storage/main/out")
    server.add(
        type(job)(**{**{f: getattr(job, f) for f in job.__dataclass_fields__}, "outputs": (out,)})
    )
    start(once=True).ended()
    assert server.final(1).pilot_error_code == PilotError.PUT_ADLER_MISMATCH


def test_output_never_replaces_other_content(server, start, a_job, storage):
    (storage / "out").write_text("precious")
    server.add(a_job("echo 1 > out", outputs={"out": "out"}))
    start(once=True).ended()
    assert server.final(1).pilot_error_code == PilotError.STAGE_OUT_FAILED
    assert (storage / "out").read_text() == "precious"


def test_output_that_is_there_with_the_same_content_is_taken(server, start, a_job, storage):
    (storage / "out").write_text("1\n")
    server.add(a_job("echo 1 > out", outputs={"out": "out"}))
    start(once=True).ended()
    assert server.final(1).state == ReportState.FINISHED


def test_job_with_a_name_that_leaves_its_directory_is_not_run(server, start, a_job, storage):
    item = JobInput(lfn="../../escape", stream="IN", urls=(f"file://{storage}/x",))
    server.add(a_job("true", inputs=(item,), log=False))
    start(once=True).ended()
    assert server.final(1).pilot_error_code == PilotError.SETUP_FAILURE


def test_job_that_cannot_be_read_spoils_no_other(server, start, a_job):
    server.raw_jobs.append({"job_id": 7, "attempt_nr": 2, "command": 5, "of_the_future": 1})
    server.add(a_job("true", job_id=8))
    start(once=True, batch=2).ended()
    assert server.final(8).state == ReportState.FINISHED
    bad = server.final(7)
    assert (bad.state, bad.attempt_nr, bad.pilot_error_code) == ("failed", 2, 1110)


def test_job_of_a_newer_server_is_run_without_what_is_new(server, start, a_job):
    from culm.wire.codec import encode

    server.raw_jobs.append(encode(a_job("echo ok")) | {"of_the_future": {"x": 1}})
    start(once=True).ended()
    assert server.final(1).output_tail == "ok\n"


def test_payload_sees_neither_token_nor_settings(server, start, a_job, monkeypatch, tmp_path):
    monkeypatch.setenv("CULM_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("CULM_DATA_DIR", "/somewhere/secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "planted")
    command = (
        "env; echo ---; cat /proc/$PPID/environ; echo ---; "
        "cat /proc/self/environ; ls -l /proc/$PPID/fd | grep -c token; true"
    )
    server.add(a_job(command, environment={"MY_SETTING": "7", "CULM_X": "1"}))
    start(once=True).ended()
    # Which Python is the pilot's is no secret: tools of CWL run with it.
    seen = server.final(1).output_tail.replace("CULM_PYTHON=", "")
    assert "MY_SETTING=7" in seen
    for secret in ("CULM_", "planted", "provisioning", "pilot-token", "/token", "secret"):
        assert secret not in seen
    assert seen.rstrip().endswith("0")


def test_payload_has_its_own_home_session_and_default_signals(server, start, a_job):
    server.add(
        a_job(
            "pwd; echo $HOME; ps -o sid= -p $$; echo $$; "
            "yes | head -1; grep SigIgn /proc/self/status"
        )
    )
    start(once=True).ended()
    where, home, session, own, yes, ignored = server.final(1).output_tail.split("\n")[:6]
    assert where == home
    assert session.strip() == own
    assert yes == "y"
    assert int(ignored.split()[1], 16) & (1 << (signal.SIGPIPE - 1)) == 0


GROWS = """python3 -c '
import time
kept = []
until = time.monotonic() + 3
while time.monotonic() < until:
    {act}
    time.sleep(0.01)
'"""


@pytest.mark.parametrize(("act", "least", "most"), [
    pytest.param("kept.append(bytearray(200_000))", 3_000, 40_000, id="grows"),
    pytest.param("kept = bytearray(200_000)", -2_000, 2_000, id="does not"),
])  # fmt: skip
def test_growth_of_a_payloads_memory_is_reported(server, start, a_job, act, least, most):
    server.add(a_job(GROWS.format(act=act)))
    start(once=True, sample_period=0.05).ended()
    assert least < server.final(1).metrics.leak_kb_per_second < most


def test_payload_that_ends_soon_tells_nothing_of_its_growth(server, start, a_job):
    server.add(a_job("true"))
    start(once=True).ended()
    assert server.final(1).metrics.leak_kb_per_second is None


def test_disk_use_of_a_payload_that_ends_at_once_is_reported(server, start, a_job, tmp_path):
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock
    write = "dd if=/dev/zero of=big bs=1000000 count=5 conv=fsync status=none"
    subprocess.run(write.split(), cwd=tmp_path, check=True)
    if resource.getrusage(resource.RUSAGE_CHILDREN).ru_oublock == before:
        pytest.skip("the temporary directory is not on a disk that the kernel counts")
    server.add(a_job(write))
    start(once=True).ended()
    assert 5 <= server.final(1).metrics.write_mb < 6
