"""The command `culm` against a server that speaks the contract."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.calls import Run
from tests.contract.culm_server import World


def test_what_a_submit_prints_the_others_take(culm_process: Run, world: World) -> None:
    done = culm_process("prun", "--exec", "true", "--nJobs", "3")
    assert (done.returncode, done.stdout) == (0, "10000001\n")
    shown = culm_process("task", "show", "-", "--json", stdin=done.stdout)
    assert json.loads(shown.stdout)["task_id"] == 10_000_001
    assert culm_process("task", "show", "last", "--json").stdout == shown.stdout
    as_json = culm_process("prun", "--exec", "true", "--json").stdout
    assert "10000002" in culm_process("task", "show", "-", stdin=as_json).stdout


def test_default_name_is_the_users_own_and_never_the_same(culm: Run, world: World) -> None:
    for _ in range(2):
        culm("prun", "--exec", "true")
    names = [spec["name"] for spec in world.specs.values()]
    assert len(set(names)) == 2
    assert all(name.startswith("user.alice.") for name in names)


def test_current_directory_goes_along_but_for_big_files(
    culm: Run, world: World, tmp_path: Path
) -> None:
    (tmp_path / "work" / "run.py").write_text("print()")
    (tmp_path / "work" / "big").write_bytes(bytes(3000))
    done = culm("prun", "--exec", "true", "--maxFileSize", "2KB", "--wait", "--timeout", "0.1")
    assert "not sent: big (3 KB, over --maxFileSize)" in done.stderr
    assert done.returncode == 124
    assert list(world.sandboxes) == [spec["sandbox"] for spec in world.specs.values()]


def test_dry_run_sends_nothing(culm: Run, world: World) -> None:
    done = culm("prun", "--exec", "cat %IN", "--in-ds", "a,b", "--nFilesPerJob", "2", "--dry-run")
    spec = json.loads(done.stdout)
    assert (spec["inputs"][0]["datasets"], spec["n_files_per_job"]) == (["a", "b"], 2)
    assert world.requests == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["prun", "--exec", "x", "--inDSs", "a"], 2, "--inDS"),
        (["prun"], 2, "--exec"),
        (["prun", "--exec", "x", "--nJobs", "many"], 2, "'many' was given"),
        (["--server-url", "nonsense", "task", "list"], 2, "a URL like http://"),
        (["prun", "--exec", "x", "--nJobs", "-1"], 2, "--nJobs: -1"),
        (["prun", "--exec", "x", "--noInput", "--inDS", "a"], 2, "--noInput"),
        (["prun", "--exec", "x", "--outputs", "a/b"], 2, "no slash"),
        (["prun", "--exec", "x", "--outDS", "user.bob.x"], 2, "must begin with user.alice."),
        (["prun", "--exec", "x", "--workDir", "nowhere"], 2, "no such directory"),
        (["tsak", "list"], 2, "did you mean task?"),
        (["task", "shwo", "1"], 2, "show"),
        (["task", "show", "x"], 2, "ids look like"),
        (["task", "show", "7"], 4, "CULM-1004"),
        (["task", "kill", "10000001"], 2, "wants --yes"),
        (["task", "kill", "10000001", "--yes"], 3, "not yours"),
        (["task", "retry", "10000002"], 5, "is done"),
        (["task", "wait", "10000001", "--timeout", "0.1"], 124, "10000001"),
        (["task", "wait", "10000002"], 0, ""),
        (["task", "wait", "10000003"], 1, ""),
        (["task", "wait", "10000002,10000003"], 7, ""),
        (["dataset", "show", "nothing"], 4, "no such dataset"),
        (["dataset", "add", "user.alice.d", "nowhere.txt"], 2, "nowhere.txt"),
        (["dataset", "get", "empty"], 4, "has no file"),
        (["queue", "set", "Q", "cores"], 2, "core_count=8"),
        (["queue", "add", "nowhere.yaml"], 2, "nowhere.yaml"),
        (["task", "incexec", "10000001", "--set", "memory_mb"], 2, "core_count=8"),
        (["retry-rule", "add", "--source", "pilots", "--action", "no_retry"], 2, "pilot"),
        (["retry-rule", "remove", "7"], 4, "no retry rule 7"),
        (["resource-type", "add", "BIG", "cores=8"], 2, "min_cores"),
        (["resource-type", "add", "BIG", "min_cores=8", "max_cores=4"], 2, "which is 4"),
        (["resource-type", "add", "BIG", "min_cores"], 2, "looks like"),
        (["resource-type", "set", "BIG", "min_cores=8"], 4, "resource type BIG"),
        (["job", "show", "5"], 4, "no such job"),
        (["why", "17"], 4, "17 is neither a task nor a job of yours"),
        (["why", "--job", "17"], 4, "no such job"),
        (["why", "many"], 2, "ids look like"),
        (["set", "NQUEUE"], 4, "threshold NQUEUE"),
        (["share", "set", "nowhere"], 2, "a share's name wants a weight"),
        (["share", "set", "nowhere", "1"], 4, "share nowhere"),
        (["share", "set", "default", "much"], 2, "'weight'"),
        (["set", "NQUEUECAP", "7", "--reset"], 2, "--reset: give no value with it"),
    ],
)
def test_exit_codes_and_words(
    culm: Run, world: World, words: list[str], code: int, said: str
) -> None:
    world.a_task(10_000_001, user="bob")
    world.a_task(10_000_002, status="done", final=True)
    world.a_task(10_000_003, status="failed", final=True)
    world.datasets["empty"] = {}
    done = culm(*words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == "" or code in (0, 1, 7)


def test_unreachable_server_names_the_next_command(culm: Run) -> None:
    done = culm("task", "list", CULM_SERVER_URL="http://127.0.0.1:9")
    assert done.returncode == 6
    assert "culm doctor" in done.stderr


def test_bad_settings_are_said_before_anything_is_done(culm: Run, world: World) -> None:
    done = culm("prun", "--exec", "x", CULM_SERVER_PROT="1")
    assert (done.returncode, world.requests) == (2, [])
    assert "CULM_SERVER_PORT" in done.stderr


def test_kill_asks_on_a_terminal(
    culm: Run, world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    world.a_task(10_000_001, name="user.alice.\x1b[31mx")
    answers = {"n\n": (1, []), "y\n": (0, [(10_000_001, "kill")])}
    for answer, (code, commands) in answers.items():
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "culm", "task", "kill", "last"], env=environment,
            stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, cwd=tmp_path,
        )  # fmt: skip
        os.close(theirs)
        said = b""
        while b"Go on?" not in said:
            said += os.read(ours, 1000)
        os.write(ours, answer.encode())
        process.communicate(timeout=20)
        os.close(ours)
        assert (process.returncode, world.commands) == (code, commands)
        assert b"user.alice.\\x1b[31mx" in said


def test_many_acts_go_on_after_a_refusal(culm: Run, world: World) -> None:
    world.a_task(1)
    world.a_task(2, status="done", final=True)
    done = culm("task", "pause", "1-3", "--json")
    rows = json.loads(done.stdout)
    assert culm("task", "pause", "1").stdout == "1\tpause accepted\n"
    assert (done.returncode, [row["ok"] for row in rows]) == (7, [True, False, False])
    assert [row.get("code") for row in rows] == [None, "CULM-1005", "CULM-1004"]


READING: list[tuple[list[str], type]] = [
    (["whoami", "--json"], dict),
    (["config", "show", "--json"], dict),
    (["config", "show", "--origin", "--json"], dict),
    (["task", "list", "--json"], list),
    (["task", "show", "1", "--json"], dict),
    (["task", "show", "1,2", "--json"], list),
    (["task", "wait", "2", "--json"], list),
    (["task", "history", "1", "--json"], list),
    (["task", "why", "1", "--json"], dict),
    (["why", "1", "--json"], dict),
    (["why", "5", "--json"], dict),
    (["why", "last", "--all", "--json"], dict),
    (["task", "logs", "1", "--json"], list),
    (["task", "parameters", "1", "--json"], dict),
    (["job", "list", "1", "--json"], list),
    (["job", "show", "5", "--json"], dict),
    (["job", "logs", "5", "--json"], list),
    (["job", "history", "last", "--json"], list),
    (["dataset", "list", "--json"], list),
    (["dataset", "show", "d", "--json"], dict),
    (["dataset", "files", "d", "--json"], list),
    (["queue", "list", "--json"], list),
    (["queue", "show", "Q", "--json"], dict),
    (["queue", "pilots", "--json"], list),
    (["pilots", "--json"], list),
    (["pilots", "--wanted", "--json"], list),
    (["share", "show", "--json"], dict),
    (["share", "rules", "--json"], list),
    (["set", "--list", "--json"], list),
    (["set", "NQUEUECAP", "--json"], dict),
    (["doctor", "--json"], dict),
    (["up", "--status", "--json"], dict),
]


def a_full_world(world: World) -> None:
    world.a_task(1, reason="a\x1b[2Jb")
    world.a_task(2, status="done", final=True)
    for task in (1, 2):
        world.a_job(4 + task, task, output_tail="one\n\x1b[2Jtwo\n", node="n\x07")
    world.specs[1] = {"name": "user.alice.t1", "command": "true \x1b[2J"}
    world.datasets["d"] = {"a.txt": b"abc"}
    world.queues["Q"] = {"name": "Q", "site": "S", "status": "online", "settings": {"a": 1}}


@pytest.mark.parametrize(("words", "kind"), READING)
def test_reading_command_prints_one_json_value(
    culm: Run, world: World, words: list[str], kind: type
) -> None:
    a_full_world(world)
    done = culm(*words)
    assert isinstance(json.loads(done.stdout), kind), done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize("words", [words for words, _ in READING if words[0] != "config"])
def test_reading_command_prints_no_control_characters(
    culm: Run, world: World, words: list[str]
) -> None:
    a_full_world(world)
    done = culm(*(word for word in words if word != "--json"))
    text = done.stdout + done.stderr
    assert not any(ord(char) < 0x20 and char not in "\n\t" for char in text)


def test_colours_and_headings_are_for_terminals(
    world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    a_full_world(world)
    shown = {}
    for colour, more in (("yes", {}), ("no", {"NO_COLOR": "1"})):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "culm", "task", "list"], stdout=theirs, cwd=tmp_path,
            stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            env=environment | {"TERM": "xterm-256color", "COLUMNS": "120"} | more,
        )  # fmt: skip
        os.close(theirs)
        shown[colour] = b""
        while chunk := _read(ours):
            shown[colour] += chunk
        process.wait(timeout=20)
        os.close(ours)
    assert b"status" in shown["yes"]
    assert b"\x1b[32mdone" in shown["yes"]
    assert b"\x1b[32m" not in shown["no"]


def _read(stream: int) -> bytes:
    try:
        return os.read(stream, 10_000)
    except OSError:  # the terminal's other side is closed
        return b""


def test_dataset_goes_round(culm: Run, world: World, tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / "work" / f"f{number}.txt").write_text(f"number {number}")
    files = [f"f{number}.txt" for number in range(5)]
    added = culm("dataset", "add", "user.alice.d", *files, "--json")
    assert json.loads(added.stdout)["n_files"] == 5
    got = culm("dataset", "get", "user.alice.d", "--dir", "out", "--match", "f[0-3]*")
    assert got.stdout.splitlines() == [f"out/f{number}.txt" for number in range(4)]
    assert (tmp_path / "work" / "out" / "f3.txt").read_text() == "number 3"


def test_why_says_what_hinders_and_what_would_help(culm: Run, world: World) -> None:
    a_full_world(world)
    done = culm("why", "1")
    assert done.stdout.splitlines() == [
        "task 1 is pending [never]: no queue \\x1b[31mtakes it",
        "  it is looked at again",
        "  2 queues refuse it for good by memory, such as A: small",
        "  would help: ask for less",
    ]
    assert "--all" in done.stderr
    assert "brokered 2 times" in done.stderr
    every = culm("task", "why", "1", "--all").stdout.splitlines()
    assert "CERN\tnot yet\tdowntime\tdown" in every
    assert every[-2:] == ["A\tnever\tmemory\tsmall", "B\ttaken\t\tweight 0.5"]
    assert culm("why", "5").stdout.startswith("job 5 is ")
    assert culm("why", "--job", "5").stdout.startswith("job 5 is ")


def test_grid_is_added_from_a_file_and_queues_are_steered(
    culm: Run, world: World, tmp_path: Path
) -> None:
    grid = tmp_path / "work" / "grid.yaml"
    grid.write_text("sites: {S: {}}\nqueues:\n  BIG: {site: S, settings: {core_count: 8}}\n")
    tried = culm("queue", "add", "grid.yaml", "--dry-run")
    assert (tried.stdout.splitlines()[-1], world.queues) == ("queues added\tBIG", {})
    assert "nothing was changed" in tried.stderr
    assert "\x1b" not in tried.stderr
    made = culm("queue", "add", "grid.yaml", "--json")
    assert json.loads(made.stdout)["queues_added"] == ["BIG"]
    assert world.queues["BIG"]["settings"] == {"core_count": 8}
    for command, status in (("drain", "brokeroff"), ("test", "test"), ("online", "online")):
        assert f"queue BIG is {status}" in culm("queue", command, "BIG").stderr
    shown = culm("queue", "grid").stdout.splitlines()
    assert ["S", "yes", "BIG", "", ""] in [line.split("\t") for line in shown]
    assert ["STORE", "S", "12.5", "", "tape"] in [line.split("\t") for line in shown]
    assert ["S", "T", "3", "", "", "", "0", "blocked"] in [line.split("\t") for line in shown]
    assert json.loads(culm("queue", "grid", "--json").stdout)["queues"]["BIG"]["site"] == "S"
    assert "new" not in culm("queue", "set", "BIG", "core_count=4").stderr
    slip = culm("queue", "set", "BGI", "core_count=4")
    assert slip.stderr == "queue BGI is new; did you mean BIG?\n"
    grid.write_text("- a\n")
    assert "sites, endpoints, queues, links" in culm("queue", "add", "grid.yaml").stderr


def test_one_file_that_cannot_be_sent_is_partly_done(
    culm: Run, world: World, tmp_path: Path
) -> None:
    world.datasets["user.alice.d"] = {"a": b"other bytes"}
    for name in ("a", "b"):
        (tmp_path / "work" / name).write_text(name)
    done = culm("dataset", "add", "user.alice.d", "a", "b")
    assert done.returncode == 7
    assert "a is there with other bytes" in done.stderr
    assert world.datasets["user.alice.d"]["b"] == b"b"


def test_interrupt_ends_a_wait(world: World, environment: dict[str, str], tmp_path: Path) -> None:
    world.a_task(1)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "culm", "task", "wait", "1"], env=environment, cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    until(lambda: any("seen" in path for _, path in world.requests))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert (out, "Traceback" in err) == ("", False)


def until(condition: Callable[[], Any], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_reader_that_leaves_is_no_error(world: World, environment: dict[str, str]) -> None:
    for number in range(1, 3000):
        world.a_task(number)
    shell = f"{sys.executable} -P -m culm task list --limit 5000 | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell], env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_help_names_every_command_and_is_quick(culm_process: Run) -> None:
    culm_process("--help")
    began = time.monotonic()
    done = culm_process("--help")
    assert time.monotonic() - began < 3  # far above what it takes; a slow import would be seen
    for name in ("prun", "task", "job", "dataset", "queue", "up", "doctor", "server", "pilot"):
        assert f"  {name} " in done.stdout


@pytest.mark.parametrize("command", ["audit", "db", "token", "server", "daemon", "pilot", "up"])
def test_help_of_each_command_cuts_no_option(culm: Run, command: str) -> None:
    done = culm(command, "--help", COLUMNS="60")
    assert done.returncode == 0
    assert "…" not in done.stdout
    assert "╭" not in done.stdout
    assert "--no-" not in done.stdout.replace("--no-prefect", "")


def test_fault_that_the_server_finds_is_named_by_its_option(culm: Run, world: World) -> None:
    world.refuses = [
        ("inputs[0].datasets", "user.alice.dta", "no such dataset"),
        ("excluded_sites", "NOWHERE", "unknown; known are LOCAL"),
        ("parent_task_id", "77", "no such task of yours"),
    ]
    done = culm("prun", "--exec", "cat %IN", "--inDS", "user.alice.dta", "--noSandbox")
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:4] == [
        "  --inDS: user.alice.dta - no such dataset",
        "  --excludedSite: NOWHERE - unknown; known are LOCAL",
        "  --parentTaskID: 77 - no such task of yours",
    ]


def test_shell_completes_commands(culm_process: Run) -> None:
    done = culm_process(_CULM_COMPLETE="complete_bash", COMP_WORDS="culm ta", COMP_CWORD="1")
    assert done.stdout.split() == ["task"]


TREE = """
shares:
  - {name: production, weight: 70}
  - {name: default, weight: 30}
rules:
  - {share: production, activity: managed|test}
"""


def test_shares_come_from_a_file_or_one_by_one(culm: Run, world: World, tmp_path: Path) -> None:
    (tmp_path / "work" / "shares.yaml").write_text(TREE)
    done = culm("share", "set", "shares.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("production\t70\t50.0%\t50.0%\t25.0%\t10\t1\t2\n")
    assert "jobs counted 2026-01-02 03:04:05" in done.stderr
    assert "default\t20\t" in culm("share", "set", "default", "20").stdout
    assert culm("share", "rules").stdout == "production\t*\tmanaged|test\t*\t*\t*\t*\n"
    (tmp_path / "work" / "rules.json").write_text(json.dumps({"rules": [{"share": "default"}]}))
    assert culm("share", "rules", "rules.json").stdout.startswith("default\t*")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("shares: [", "is neither YAML nor JSON"),
        ("shares: 1", "a list is needed"),
        ("shares: [{name: a, weight: 1, wait: 2}]", "did you mean weight?"),
        ("- 1", "an object is needed"),
        ("", "an object is needed"),
    ],
)
def test_bad_file_of_shares_is_refused_with_words(
    culm: Run, world: World, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "work" / "shares.yaml").write_text(text)
    done = culm("share", "set", "shares.yaml")
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert [method for method, _ in world.requests if method == "PUT"] == []


def test_threshold_is_set_shown_and_reset(culm: Run, world: World) -> None:
    done = culm("set", "NQUEUECAP", "7")
    assert "value\t7\n" in done.stdout
    assert "alice: default -> 7" in done.stdout
    assert world.thresholds == {"NQUEUECAP": 7}
    assert "value\t100\n" in culm("set", "NQUEUECAP", "--reset").stdout
    assert culm("set").stdout.startswith("NQUEUECAP\t100\t100\tjobs\t")


def test_doctor_says_what_is_wrong_and_how_to_mend_it(culm: Run, world: World) -> None:
    well = culm("doctor", "--json")
    found = {check["name"]: check for check in json.loads(well.stdout)["checks"]}
    assert found["server"]["state"] == "ok"
    assert found["token"]["state"] == "warning"  # the contract server's has expired
    ill = culm("doctor", "--json", CULM_SERVER_URL="http://127.0.0.1:9")
    checks = json.loads(ill.stdout)["checks"]
    assert ill.returncode == 1
    assert [c["name"] for c in checks if c["state"] == "wrong"] == ["server"]
    assert all(c["mend"] for c in checks if c["state"] != "ok")


def test_password_of_the_database_is_not_shown(culm: Run) -> None:
    url = "postgresql+psycopg://culm:hunter2@db.example/culm"
    for words in (["config", "show"], ["config", "show", "--json"], ["doctor", "--json"]):
        done = culm(*words, CULM_DATABASE_URL=url)
        assert "hunter2" not in done.stdout + done.stderr
        assert "db.example" in done.stdout or words == ["doctor", "--json"]


def test_task_show_gives_asked_against_used_and_what_comes_next(culm: Run, world: World) -> None:
    world.a_task(10_000_001)
    shown = culm("task", "show", "10000001").stdout
    assert "memory (MB)\t2000\t301.2\t500" in shown
    assert "CPU efficiency\t\t0.5\t" in shown
    found = json.loads(culm("task", "show", "10000001", "--json").stdout)
    assert found["resources"][0] == {"name": "memory", "unit": "MB", "asked": 2000.0,
                                     "used": 301.25, "next": 500.0}  # fmt: skip


def test_tasks_are_released_changed_and_woken(culm: Run, world: World) -> None:
    world.a_task(10_000_001)
    for words in (("avalanche",), ("release",), ("reactivate",),
                  ("incexec", "--set", "memory_mb=4000")):  # fmt: skip
        assert culm("task", words[0], "10000001", *words[1:]).returncode == 0
    assert [command for _, command in world.commands] == [
        "avalanche", "release", "reactivate", "incexec"]  # fmt: skip


def test_resource_types_are_added_changed_listed_and_removed(culm: Run, world: World) -> None:
    made = culm("resource-type", "add", "HUGE", "min_cores=16", "max_cores=64", "--json")
    assert json.loads(made.stdout)["max_cores"] == 64
    assert culm("resource-type", "set", "HUGE", "max_cores=null",
                "max_memory_mb_per_core=2000").returncode == 0  # fmt: skip
    bounds = {"min_cores": 16, "min_memory_mb_per_core": 0, "max_memory_mb_per_core": 2000}
    assert world.resource_types == {"HUGE": {"name": "HUGE"} | bounds}
    assert [t["name"] for t in json.loads(culm("resource-type", "list", "--json").stdout)] == [
        "HUGE"]  # fmt: skip
    assert culm("resource-type", "list").stdout.splitlines()[-1].split() == [
        "HUGE", "16", "or", "more", "0", "to", "2000", "0", "0"]  # fmt: skip
    assert "resource type HUGE is gone: 16 or more cores" in culm(
        "resource-type", "remove", "HUGE").stderr  # fmt: skip
    assert world.resource_types == {}


def test_retry_rules_are_added_changed_listed_and_removed(culm: Run, world: World) -> None:
    made = culm("retry-rule", "add", "--source", "pilot", "--code", "1305", "--action",
                "limit_retry", "--maxRetries", "2", "--passive", "--json")  # fmt: skip
    assert json.loads(made.stdout)["rule_id"] == 1
    assert world.rules["1"] == {"rule_id": 1, "source": "pilot", "action": "limit_retry",
                                "code": 1305, "pattern": "", "max_retries": 2, "active": False,
                                "architecture": "", "release": "", "work_queue": "",
                                "description": ""}  # fmt: skip
    assert culm("retry-rule", "set", "1", "active=true", "pattern=no such").returncode == 0
    listed = json.loads(culm("retry-rule", "list", "--json").stdout)
    assert [(r["active"], r["pattern"], r["code"]) for r in listed] == [(True, "no such", 1305)]
    assert "limit_retry(2)" in culm("retry-rule", "list").stdout
    assert "retry rule 1 is gone" in culm("retry-rule", "remove", "1").stderr
    assert world.rules == {}
