"""A worker node's disk takes no more: the user's attempts are not spent, and later all is well."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from culm.wire.error_codes import KINDS, PilotError
from culm.wire.job_spec import JobInput
from culm.wire.reports import ReportState
from tests.disks import no_file_over

MB = 1_000_000
BODY = os.urandom(3 * MB)
# The payload may write what it likes: it is the pilot's own writes that fail.
WRITE = "ulimit -S -f unlimited; head -c 3000000 /dev/urandom > {}"


def an_archive() -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz") as archive:
        member = tarfile.TarInfo("data.bin")
        member.size = len(BODY)
        archive.addfile(member, io.BytesIO(BODY))
    return raw.getvalue()


def an_input(server, storage: Path) -> dict[str, object]:
    (storage / "big.bin").write_bytes(BODY)
    return {"inputs": (JobInput(lfn="big.bin", stream="IN", urls=(f"file://{storage}/big.bin",)),)}


def a_sandbox(server, storage: Path) -> dict[str, object]:
    return {"sandbox": server.add_sandbox(an_archive())}


def an_output(server, storage: Path) -> dict[str, object]:
    return {"command": WRITE.format("out.bin"), "outputs": {"out.bin": "out.bin"}}


def a_tarball(server, storage: Path) -> dict[str, object]:
    return {"command": WRITE.format("a.bin"), "outputs": {"*.bin": "outXYZ.bin.tgz"}}


@pytest.mark.parametrize("make", [an_input, a_sandbox, an_output, a_tarball])
def test_full_disk_fails_the_job_with_its_code_and_leaves_nothing(
    server, start, a_job, storage, make
):
    wanted = make(server, storage)
    before = sorted(storage.iterdir())
    pilot = start(max_jobs=2)
    server.wait_for(lambda: server.pilots)
    with no_file_over(MB, pilot.process.pid):
        server.add(a_job(job_id=1, log=False, **wanted))
        report = server.final(1)
        assert report.state == ReportState.FAILED
        assert report.pilot_error_code == PilotError.NO_LOCAL_SPACE
        assert "File too large" in report.pilot_error_diag
        assert not KINDS[report.pilot_error_code].spends_attempt
        assert sorted(storage.iterdir()) == before
    server.add(a_job(job_id=2, log=False, **wanted))
    assert server.final(2).state == ReportState.FINISHED
    assert pilot.ended() == 0
    assert "Traceback" not in pilot.log
    assert list((pilot.work_dir / "runs").iterdir()) == []


def test_log_that_finds_no_room_keeps_the_job_from_nothing_else(server, start, a_job, storage):
    pilot = start(max_jobs=1)
    server.wait_for(lambda: server.pilots)
    with no_file_over(MB, pilot.process.pid):
        server.add(a_job(WRITE.format("scratch.bin")))
        report = server.final(1)
    assert report.pilot_error_code == PilotError.LOG_FILE_CREATION_FAILURE
    assert report.exit_code == 0
    assert list(storage.iterdir()) == []
