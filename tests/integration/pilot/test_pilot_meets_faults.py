"""Limits, orders, signals, partitions, deaths: how jobs and pilots end, and what is left."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from culm.wire.error_codes import PilotError
from culm.wire.reports import Instruction, ReportState
from tests.contract.pilot_server import FINAL, until


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def pid_in(path: Path) -> int:
    """The process id that a payload wrote to a file, once it has."""
    return int(until(lambda: path.exists() and path.read_text().strip()))


def a_sleeper(path: Path) -> str:
    return f"echo $$ > {path}.tmp; mv {path}.tmp {path}; exec sleep 60"


@pytest.mark.parametrize(
    ("command", "values", "code"),
    [
        ("sleep 60", {"walltime_seconds": 1}, PilotError.REACHED_MAX_TIME),
        (
            "python3 -c 'x = bytearray(150_000_000); import time; time.sleep(60)'",
            {"memory_mb": 100},
            PilotError.PAYLOAD_EXCEED_MAX_MEM,
        ),
        (
            "head -c 20000000 /dev/zero > big; sleep 60",
            {"disk_mb": 10},
            PilotError.USER_DIR_TOO_LARGE,
        ),
        ("head -c 20000000 /dev/zero; sleep 60", {}, PilotError.STDOUT_TOO_BIG),
    ],
)
def test_payload_over_a_limit_is_killed(server, start, a_job, command, values, code):
    server.add(a_job(command, **values))
    start(once=True, max_stdout=15).ended()
    report = server.final(1)
    assert (report.state, report.pilot_error_code) == ("failed", code)
    assert "allowed" in report.pilot_error_diag
    assert report.metrics.wall_seconds < 10


def test_payload_that_ignores_sigterm_is_killed_after_the_grace(server, start, a_job):
    server.add(a_job("trap '' TERM; while :; do sleep 0.1; done", walltime_seconds=1))
    start(once=True, kill_grace=0.2).ended()
    assert server.final(1).exit_code == -signal.SIGKILL


def test_payload_may_clean_up_in_its_grace(server, start, a_job):
    server.add(a_job("trap 'echo bye; exit 5' TERM; while :; do sleep 0.05; done",
                     walltime_seconds=1))  # fmt: skip
    start(once=True, kill_grace=5).ended()
    report = server.final(1)
    assert report.exit_code == 5
    assert report.output_tail.startswith("bye\n")
    assert report.pilot_error_code == PilotError.REACHED_MAX_TIME


@pytest.mark.parametrize(
    "escape",
    [
        "setsid {sleeper} &",
        "(setsid sh -c '{sleeper} & wait' &);",
        "cd /; env -i setsid {sleeper} &",
    ],
)
def test_processes_that_escape_are_killed_at_the_end(server, start, a_job, tmp_path, escape):
    pid_file = tmp_path / "escaped"
    script = tmp_path / "sleeper"
    script.write_text(f"#!/bin/sh\n{a_sleeper(pid_file)}\n")
    script.chmod(0o755)
    wait = f"while ! [ -e {pid_file} ]; do sleep 0.02; done"
    server.add(a_job(f"{escape.format(sleeper=script)} {wait}"))
    start(once=True).ended()
    assert server.final(1).state == ReportState.FINISHED
    assert not is_alive(pid_in(pid_file))


def test_neighbour_in_another_slot_is_left_alone(server, start, a_job, tmp_path):
    other = tmp_path / "other"
    sleeper = a_sleeper(other)
    server.add(a_job(f"(setsid sh -c '{sleeper}' &) ; sleep 60", job_id=1))
    pilot = start(slots=2, max_jobs=3, cores=2)
    pid = pid_in(other)
    server.add(a_job("true", job_id=2))
    server.final(2)
    assert is_alive(pid)
    pilot.signal(signal.SIGTERM)
    pilot.ended()
    assert not is_alive(pid)


def test_kill_ends_the_payload_and_is_reported(server, start, a_job, tmp_path, storage):
    server.add(a_job(a_sleeper(tmp_path / "pid"), heartbeat_seconds=0.2))
    pilot = start(once=True)
    pid = pid_in(tmp_path / "pid")
    server.instructions[1] = Instruction.KILL
    report = server.final(1)
    assert pilot.ended() == 0
    assert (report.pilot_error_code, report.exit_code) == (PilotError.PANDA_KILL, -15)
    assert not is_alive(pid)
    assert (storage / "job-1.log.tgz").exists()


def test_forgotten_job_is_killed_without_a_word(server, start, a_job, tmp_path, storage):
    command = f"echo 1 > out; {a_sleeper(tmp_path / 'pid')}"
    server.add(a_job(command, heartbeat_seconds=0.2, outputs={"out": "out"}))
    pilot = start(once=True)
    pid = pid_in(tmp_path / "pid")
    server.instructions[1] = Instruction.FORGET
    assert pilot.ended() == 0
    assert not is_alive(pid)
    assert set(server.states(1)) == {ReportState.RUNNING}
    assert list(storage.iterdir()) == []


def test_heartbeats_come_at_the_jobs_period_with_metrics(server, start, a_job):
    server.add(a_job("sleep 1.6", heartbeat_seconds=0.3))
    start(once=True).ended()
    beats = [r for r in server.reports if r.state == ReportState.RUNNING]
    assert 4 <= len(beats) <= 8
    assert beats[-1].metrics.max_pss_mb > 0
    assert [r.report_nr for r in server.reports] == list(range(1, len(server.reports) + 1))


def test_payload_is_killed_when_the_lease_is_over(server, start, a_job, tmp_path, storage):
    server.add(a_job(a_sleeper(tmp_path / "pid"), heartbeat_seconds=0.3, lease_seconds=1.5))
    pilot = start(once=True)
    pid = pid_in(tmp_path / "pid")
    server.wait_for(lambda: len(server.states(1)) >= 2)
    assert is_alive(pid)
    server.faults.cut = True
    until(lambda: not is_alive(pid), 4.0)
    server.faults.cut = False
    assert pilot.ended() == 0
    assert "its lease ran out" in pilot.log
    assert set(server.states(1)) == {ReportState.RUNNING}
    assert list(storage.iterdir()) == []


def test_pilot_that_wakes_after_its_lease_writes_nothing(server, start, a_job, tmp_path, storage):
    sleeping, done = tmp_path / "sleeping", tmp_path / "done"
    command = f"touch {sleeping}; while ! [ -e {done} ]; do sleep 0.02; done; echo late > out"
    server.add(a_job(command, heartbeat_seconds=0.3, lease_seconds=1, outputs={"out": "out"}))
    pilot = start(once=True)
    until(sleeping.exists)
    pilot.signal(signal.SIGSTOP)
    # Not for luck: the lease must run out, and only time does that.
    time.sleep(1.2)
    # By now a real server has given the job to another.
    server.instructions[1] = Instruction.FORGET
    done.touch()
    pilot.signal(signal.SIGCONT)
    assert pilot.ended() == 0
    assert not any(state in FINAL for state in server.states(1))
    assert list(storage.iterdir()) == []


def test_payload_survives_a_partition_shorter_than_its_lease(server, start, a_job, tmp_path):
    go_on = tmp_path / "go_on"
    server.add(a_job(f"while ! [ -e {go_on} ]; do sleep 0.05; done",
                     heartbeat_seconds=0.2, lease_seconds=30))  # fmt: skip
    pilot = start(once=True)
    server.wait_for(lambda: server.states(1))
    server.faults.cut = True
    until(lambda: "reports are sent again" in pilot.log)
    go_on.touch()
    server.faults.cut = False
    assert server.final(1).state == ReportState.FINISHED


def test_pilot_waits_for_a_server_that_is_down(server, start, a_job):
    server.stop()
    pilot = start(max_jobs=2)
    until(lambda: "signing on again" in pilot.log)
    server.faults.cut = False
    server.start()
    server.add(a_job(job_id=1))
    server.final(1)
    server.stop()
    until(lambda: "asked again" in pilot.log)
    server.faults.cut = False
    server.start()
    server.add(a_job(job_id=2))
    assert server.final(2).state == ReportState.FINISHED
    assert pilot.ended() == 0


def test_final_report_whose_answer_was_lost_comes_again_unchanged(server, start, a_job):
    server.faults.cut_answers = 2
    server.add(a_job())
    assert start(once=True).ended() == 0
    finals = [r for r in server.reports if r.state == ReportState.FINISHED]
    assert len(finals) == 3
    assert finals[0] == finals[1] == finals[2]


def test_sigterm_ends_the_pilot_in_good_order(server, start, a_job, tmp_path, storage):
    server.add(a_job(a_sleeper(tmp_path / "pid"), job_id=1), a_job(job_id=2, core_count=1))
    pilot = start(batch=2, cores=1)
    pid = pid_in(tmp_path / "pid")
    pilot.signal(signal.SIGTERM)
    assert pilot.ended() == 128 + signal.SIGTERM
    codes = [server.final(n).pilot_error_code for n in (1, 2)]
    assert codes == [PilotError.SIGTERM, PilotError.SIGTERM]
    assert not is_alive(pid)
    assert (storage / "job-1.log.tgz").exists()
    assert server.signed_off == 1
    assert list((pilot.work_dir / "runs").iterdir()) == []


def test_next_pilot_cleans_up_after_one_that_was_killed(server, start, a_job, tmp_path):
    escaped, led = tmp_path / "escaped", tmp_path / "led"
    server.add(a_job(f"(setsid sh -c '{a_sleeper(escaped)}' &); {a_sleeper(led)}"))
    dead = start()
    pids = [pid_in(escaped), pid_in(led)]
    dead.signal(signal.SIGKILL)
    dead.ended()
    assert all(is_alive(pid) for pid in pids)
    assert len(list((dead.work_dir / "runs").iterdir())) == 1
    start(idle_exit=0).ended()
    assert not any(is_alive(pid) for pid in pids)
    assert list((dead.work_dir / "runs").iterdir()) == []


def test_pilot_leaves_the_payloads_of_a_living_one_alone(server, start, a_job, tmp_path):
    server.add(a_job(a_sleeper(tmp_path / "pid")))
    start()
    pid = pid_in(tmp_path / "pid")
    start(idle_exit=0).ended()
    assert is_alive(pid)


def test_bad_token_ends_the_pilot_with_3(server, start):
    server.faults.refuse_token = True
    pilot = start()
    assert pilot.ended() == 3
    assert "token: not one of ours" in pilot.log
    assert "Traceback" not in pilot.log


def test_token_that_goes_bad_ends_payloads_and_the_pilot(server, start, a_job, tmp_path):
    server.add(a_job(a_sleeper(tmp_path / "pid"), heartbeat_seconds=0.2))
    pilot = start()
    pid = pid_in(tmp_path / "pid")
    server.faults.refuse_token = True
    assert pilot.ended() == 3
    assert not is_alive(pid)


def test_pilot_signs_on_anew_before_its_token_is_too_old(server, start, a_job):
    server.token_seconds = 1
    server.add(a_job(job_id=1))
    start(idle_exit=60)
    server.final(1)
    server.wait_for(lambda: len(server.pilots) >= 2)
    server.add(a_job(job_id=2))
    assert server.final(2).state == ReportState.FINISHED


def test_pilot_ends_when_idle_when_told_and_when_its_life_is_over(server, start):
    assert start(idle_exit=0.2).ended() == 0
    assert start(lifetime=0.2).ended() == 0
    server.sign_off = True
    assert start().ended() == 0
    assert server.signed_off == 3


def test_hundred_quick_jobs_leave_no_process_and_no_file(server, start, a_job):
    server.add(*(a_job("sleep 30 & true", job_id=n, log=False) for n in range(1, 101)))
    pilot = start(slots=4, cores=4, batch=20, max_jobs=100)
    server.wait_for(lambda: len(server.reports) >= 100, 30)
    assert pilot.ended() == 0
    assert {r.state for r in server.reports} == {ReportState.FINISHED}
    assert [pid for pid in Path("/proc").glob("[0-9]*") if runs_below(pid, pilot.work_dir)] == []
    assert list((pilot.work_dir / "runs").iterdir()) == []


def runs_below(process: Path, folder: Path) -> bool:
    try:
        return f"HOME={folder}/".encode() in (process / "environ").read_bytes()
    except OSError:
        return False
