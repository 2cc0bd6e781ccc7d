"""The supervisor with toy parts: starts, starts again, stops in order, leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from culm.cli.records import end_leftovers, holder, only_one, records
from culm.cli.supervisor import Part, Supervisor
from culm.core.errors import Conflict, OurFault

SLEEPER = "import time; time.sleep(600)"
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
WITH_CHILD = (
    "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])"
)


def a_part(name: str = "toy", code: str = SLEEPER, tier: int = 0, stop_seconds: float = 10) -> Part:
    return Part(
        name=name, argv=[sys.executable, "-c", code], environment=dict(os.environ), tier=tier,
        stop_seconds=stop_seconds,
    )  # fmt: skip


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, tmp_path, said.append)
    yield made
    made.stop(hurry=lambda: True)


def process_of(folder: Path, name: str) -> psutil.Process:
    (found,) = [record for record in records(folder) if record.name == name]
    return psutil.Process(found.process_id)


def test_part_that_dies_is_started_again_and_it_says_so(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    supervisor.start(a_part())
    first = process_of(tmp_path, "toy")
    first.kill()

    def again() -> bool:
        supervisor.tend()
        return process_of(tmp_path, "toy").pid != first.pid

    until(lambda: said or supervisor.tend())
    assert f"toy ended (signal SIGKILL); it starts again in 0.5 s; log: {tmp_path}/toy.log" in said
    until(lambda: any(r.alive() for r in records(tmp_path)) or supervisor.tend())
    until(again)


def test_pauses_grow_while_a_part_keeps_dying(supervisor: Supervisor, said: list[str]) -> None:
    supervisor.start(a_part(code="raise SystemExit(3)"))
    until(lambda: len(said) >= 3 or supervisor.tend())
    assert [line.partition("again in ")[2][:3] for line in said[:3]] == ["0.5", "1.0", "2.0"]
    assert "exit code 3" in said[0]


def test_part_that_never_answers_is_given_up(supervisor: Supervisor) -> None:
    part = Part(
        name="toy", argv=[sys.executable, "-c", "raise SystemExit(1)"], environment={}, tier=0,
        ready_url="http://127.0.0.1:9/", ready_seconds=30,
    )  # fmt: skip
    supervisor.start(part)
    with pytest.raises(OurFault, match="toy does not start"):
        supervisor.wait_ready(part, lambda: False)


def test_parts_stop_from_the_highest_tier_down(supervisor: Supervisor, tmp_path: Path) -> None:
    notes = tmp_path / "order"
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(notes)!r}, 'a').write(sys.argv[0] + NAME + '\\n'); sys.exit()\n"
        "signal.signal(15, end); print('up', flush=True); time.sleep(600)"
    )
    for tier, name in enumerate(("server", "prefect", "daemon", "pilot-1")):
        supervisor.start(a_part(name, f"NAME = {name!r}\n" + code, tier))
        until(lambda name=name: (tmp_path / f"{name}.log").read_text() == "up\n")
    supervisor.stop()
    order = [line.removeprefix("-c") for line in notes.read_text().split()]
    assert order == ["pilot-1", "daemon", "prefect", "server"]
    assert list(records(tmp_path)) == []


def test_part_that_will_not_stop_is_killed_with_its_children(
    supervisor: Supervisor, tmp_path: Path, said: list[str]
) -> None:
    supervisor.start(a_part("stubborn", STUBBORN, stop_seconds=0.2))
    supervisor.start(a_part("parent", WITH_CHILD))
    until((tmp_path / "stubborn.log").read_text)
    until(lambda: process_of(tmp_path, "parent").children())
    (child,) = process_of(tmp_path, "parent").children()
    supervisor.stop()
    assert "stubborn takes too long to stop and is killed" in said
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_leftovers_of_a_killed_supervisor_are_ended(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.start(a_part())
    assert [record.name for record in end_leftovers(tmp_path)] == ["toy"]
    assert not any(record.alive() for record in records(tmp_path))


def test_process_that_only_bears_the_number_is_left_alone(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.start(a_part())
    record = tmp_path / "toy.json"
    started = str(process_of(tmp_path, "toy").create_time())
    record.write_text(record.read_text().replace(started, "1.0"))
    assert end_leftovers(tmp_path) == []


def test_second_one_on_the_same_directory_is_refused_by_number(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from culm.cli.records import only_one
import time
with only_one(Path({str(tmp_path)!r})):
    print("held", flush=True)
    time.sleep(600)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert other.stdout
        other.stdout.readline()
        assert holder(tmp_path) == other.pid
        with pytest.raises(Conflict, match=str(other.pid)), only_one(tmp_path):
            pass
    finally:
        other.send_signal(signal.SIGKILL)  # even then the kernel frees the lock
        other.communicate()
    with only_one(tmp_path):
        assert holder(tmp_path) is None or holder(tmp_path) == os.getpid()
