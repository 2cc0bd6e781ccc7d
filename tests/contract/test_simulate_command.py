"""`culm simulate`: no server, no database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.contract.calls import Run, in_this_process

WORLD = """\
queues:
  - {name: BIG, slots: 20, core_speed: 1.2}
  - {name: SMALL, site: VILLAGE, slots: 5, failure_rate: 0.02}
shares:
  - {name: production, weight: 60}
  - {name: default, weight: 40}
view_seconds: 120
"""
WORKLOAD = """\
tasks:
  - {name: sim, share: production, submitted_seconds: 0, work_seconds: [600, 600, 900]}
  - {name: alice, user: alice, submitted_seconds: 60, work_seconds: [30], sites: [VILLAGE],
     input_mb: 100}
"""


@pytest.fixture
def culm(alone: dict[str, str], tmp_path: Path) -> Run:
    (tmp_path / "world.yaml").write_text(WORLD)
    (tmp_path / "work.yaml").write_text(WORKLOAD)
    return in_this_process(alone, tmp_path, "simulate")


def test_files_are_simulated_and_printed_as_json(culm: Run) -> None:
    done = culm("--world", "world.yaml", "--workload", "work.yaml", "--policy", "all", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["n_queues"], found["n_slots"], found["n_jobs"]) == (2, 25, 4)
    assert {"pull", "panda", "culm", "oracle"} <= {r["policy"] for r in found["results"]}
    assert all(r["n_not_ended"] == 0 for r in found["results"])


def test_generated_world_is_the_same_for_the_same_seed(culm: Run) -> None:
    words = ("--jobs", "300", "--queues", "4", "--seed", "5", "--view", "60")
    first, second = culm(*words), culm(*words)
    assert first.returncode == 0, first.stderr
    # The last column is how long decisions took.
    assert first.stdout.split("\t")[:-1] == second.stdout.split("\t")[:-1]


def test_before_and_after_stand_side_by_side(culm: Run) -> None:
    words = ("--world", "world.yaml", "--workload", "work.yaml", "--set", "queue.BIG.slots=1",
             "--set", "queue.SMALL.slots=1",
             "--set", "share.production=80", "--compare")  # fmt: skip
    done = culm(*words)
    rows = {row.split("\t")[1]: row.split("\t")[2:] for row in done.stdout.splitlines()}
    before, after, _ = rows["mean wait s"]
    assert float(after) > float(before)
    change = rows["slowdown"][2]
    assert change.startswith("+")
    both = json.loads(culm(*words, "--json").stdout)
    assert [len(both[key]) for key in ("before", "results")] == [1, 1]


def test_log_is_read_and_what_was_left_out_is_told(culm: Run, tmp_path: Path) -> None:
    lines = ["; MaxProcs: 99", "1 0 0 60 2 -1 -1 2 90 -1 1 7 3 -1 1 -1 -1 -1",
             "2 5 0 60 64 -1 -1 64 90 -1 1 7 3 -1 1 -1 -1 -1"]  # fmt: skip
    (tmp_path / "log.swf").write_text("\n".join(lines))
    done = culm("--world", "world.yaml", "--swf", "log.swf", "--json")
    assert json.loads(done.stdout)["n_jobs"] == 1
    assert "1 of 2 jobs left out" in done.stderr


def test_vanished_queue_is_told_of(culm: Run, tmp_path: Path) -> None:
    text = WORLD.replace("slots: 20,", "slots: 20, downtimes: [{start_seconds: 100}],")
    (tmp_path / "world.yaml").write_text(text)
    done = culm("--world", "world.yaml", "--workload", "work.yaml")
    assert done.returncode == 0
    assert "queue BIG vanished at 100 s" in done.stderr


def test_plots_are_written(culm: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    done = culm("--jobs", "200", "--queues", "3", "--policy", "pull", "--plots", "plots")
    assert done.returncode == 0, done.stderr
    for name in ("waits.svg", "waiting.svg", "shares.svg"):
        assert "<svg" in (tmp_path / "plots" / name).read_text()
        assert f"wrote plots/{name}" in done.stderr


def test_what_was_simulated_is_saved_and_simulated_again(culm: Run) -> None:
    words = ("--policy", "pull", "--json")
    first = culm("--jobs", "200", "--queues", "3", "--save", "kept", *words)
    assert "wrote kept/world.json\nwrote kept/work.json\n" in first.stderr
    again = culm("--world", "kept/world.json", "--workload", "kept/work.json", *words)
    assert again.returncode == 0, again.stderr
    one, other = (json.loads(done.stdout)["results"][0] for done in (first, again))
    # The last is how long decisions took.
    assert one | {"decision_microseconds": 0} == other | {"decision_microseconds": 0}
    assert one["n_jobs"] == 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--policy", "pul"), "did you mean pull?"),
        (("--compare",), "--set with what is to change"),
        (("--world", "none.yaml"), "No such file or directory: 'none.yaml'"),
        (("--world", "bad.yaml"), "a YAML or JSON document"),
        (("--world", "bytes.yaml"), "can't decode byte 0xff"),
        (("--swf", "none.swf"), "none.swf cannot be read"),
        (("--swf", "bytes.yaml"), "not text in UTF-8"),
        (("--world", "unknown.yaml"), "queues[0].colour"),
        (("--workload", "work.yaml", "--swf", "work.yaml"), "one of the two"),
        (("--workload", "work.yaml", "--books", "1"), "one of the two"),
        (("--books", "0"), "more than 0 and at most 36500"),
        (("--books", "-2"), "more than 0 and at most 36500"),
        (("--books", "nan"), "more than 0 and at most 36500"),
        (("--books", "inf"), "more than 0 and at most 36500"),
        (("--books", "1"), "there is no database"),
        (("--world", "books"), "there is no database"),
        (("--anonymous",), "--books DAYS"),
        (("--workload", "work.yaml", "--load", "1"), "only where it is generated"),
        (("--workload", "work.yaml", "--jobs", "9"), "only where it is generated"),
        (("--world", "world.yaml", "--queues", "9"), "only where it is generated"),
        (("--books", "1", "--queues", "9"), "only where it is generated"),
        (("--plots", "/proc/x"), "/proc/x cannot be written"),
        (("--save", "/proc/x"), "/proc/x cannot be written"),
        (("--set", "queue.Q01.slots=-1"), "must be from 0"),
        (("--set", "share.production=500"), "cannot have this weight"),
        (("--set", "nonsense"), "queue.NAME.FIELD=VALUE"),
    ],
)
def test_bad_input_is_refused_in_words(
    culm: Run, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "bad.yaml").write_text("queues: [")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")
    (tmp_path / "unknown.yaml").write_text("queues: [{name: Q, slots: 1, colour: red}]")
    done = culm(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)
