"""The script that runs a job of a search, in a directory of its own, as any pilot would run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

from culm.wire.search import SearchSpec
from tasks.searches.asking import Tried
from tasks.searches.documents import Point, evaluation_files, steering_files
from tests.installation import wait_until


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The job's directory, apart from what the test keeps beside it."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def prepare(
    work: Path,
    command: str,
    n_points: int = 1,
    segment: str = "",
    training: tuple[str, ...] = (),
    **terms: Any,
) -> None:
    """Put the files of an evaluation job in place: point n is {"x": n}."""
    points = [Point(n, {"x": n}) for n in range(1, n_points + 1)]
    for name, text in evaluation_files(
        SearchSpec(**terms), command, segment, points, training
    ).items():
        (work / name).write_text(text)


def run(work: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "culm_search_job.py"], cwd=work, capture_output=True, text=True,
        check=False, timeout=60, env=dict(os.environ, **environment),
    )  # fmt: skip


def result(work: Path) -> Any:
    return json.loads((work / "culm_result.json").read_text())["points"]


def losing(loss: str) -> str:
    """A command that writes an output of this text."""
    return f"cat > output.json <<'END'\n{loss}\nEND"


def test_point_and_training_files_are_there_and_the_loss_comes_back(work: Path) -> None:
    prepare(
        work, "cat input.json input_ds.json > seen; echo '{\"loss\": 0.25}' > output.json",
        training=("a.h5", "b.h5"),
    )  # fmt: skip
    assert run(work).returncode == 0
    assert (work / "seen").read_text() == '{"x": 1}["a.h5", "b.h5"]'
    assert result(work) == {"1": {"loss": 0.25}}


def test_names_of_files_are_as_asked(work: Path) -> None:
    prepare(
        work, "test -f hp.json && test -f data.json && echo 3 > loss.json",
        input_name="hp.json", training_name="data.json", output_name="loss.json",
    )  # fmt: skip
    assert run(work).returncode == 0
    assert result(work) == {"1": {"loss": 3.0}}


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (losing("NaN"), "output.json: loss is nan, a finite number is needed"),
        (losing('{"loss": Infinity}'), "output.json: loss is inf, a finite number is needed"),
        (losing("1" + "0" * 400), "output.json: loss is inf, a finite number is needed"),
        (losing('{"loss": "low"}'), "output.json: loss is 'low', a number is needed"),
        (losing('{"loss": null}'), "output.json: loss is None, a number is needed"),
        (losing("true"), "output.json: loss is True, a number is needed"),
        (losing('{"los": 1}'), "output.json holds no loss"),
        (losing('{"loss": 1'), "output.json is not JSON"),
        (losing('{"status": 7, "loss": 1, "message": "diverged"}'),
         "output.json says status 7: diverged"),
        ("true", "output.json was not written"),
        ("echo 1 > output.json; exit 3", "the evaluation failed with exit status 3"),
    ],
)  # fmt: skip
def test_loss_that_is_none_fails_the_evaluation_in_words(
    work: Path, command: str, words: str
) -> None:
    (work / "output.json").write_text("1")  # of the sandbox: not to be taken for a loss
    prepare(work, command)
    done = run(work)
    assert done.returncode == 1
    assert words in done.stderr.splitlines()[-1]
    assert words in result(work)["1"]["error"]


def test_segment_name_is_filled_in_and_prepended_to_metrics(work: Path) -> None:
    prepare(
        work, "echo %SEGMENT_NAME > note; tar czf metrics.tgz note; echo 1 > output.json",
        segment="name_A", metrics_name="metrics.tgz",
    )  # fmt: skip
    assert run(work).returncode == 0
    with tarfile.open(work / "metrics.tgz") as outer:
        assert outer.getnames() == ["name_A.000001.metrics.tgz"]
        with tarfile.open(fileobj=outer.extractfile("name_A.000001.metrics.tgz")) as inner:
            assert inner.extractfile("note").read() == b"name_A\n"  # type: ignore[union-attr]


def test_many_points_are_evaluated_apart_and_one_bad_spoils_no_other(work: Path) -> None:
    (work / "shared.py").write_text("")
    (work / "data.h5").write_text("data")
    prepare(
        work,
        "test -f shared.py && test -f data.h5 && test ! -f mark && touch mark && "
        "grep -q 2 input.json && exit 1; "
        'echo m > m.txt; cp input.json meta.json; echo 5 > output.json',
        n_points=3, training=("data.h5",), metrics_name="m.txt", metadata_name="meta.json",
    )  # fmt: skip
    assert run(work).returncode == 0
    assert result(work) == {
        "1": {"loss": 5.0},
        "2": {"error": "the evaluation failed with exit status 1"},
        "3": {"loss": 5.0},
    }
    assert json.loads((work / "userJobMetadata.json").read_text()) == {"1": {"x": 1}, "3": {"x": 3}}
    with tarfile.open(work / "m.txt") as archive:
        assert archive.getnames() == ["m.000001.txt", "m.000003.txt"]
    assert sorted(path.name for path in work.glob("point_*")) == []


def test_metadata_of_one_point_is_the_job_s(work: Path) -> None:
    prepare(
        work, "echo '{\"auc\": 0.9}' > meta.json; echo 1 > output.json", metadata_name="meta.json"
    )
    assert run(work).returncode == 0
    assert json.loads((work / "userJobMetadata.json").read_text()) == {"auc": 0.9}


@pytest.mark.parametrize("missing", ["metrics_name", "metadata_name"])
def test_missing_metrics_or_metadata_fail_the_evaluation(work: Path, missing: str) -> None:
    prepare(work, "echo 1 > output.json", **{missing: "extra.json"})
    done = run(work)
    assert done.returncode == 1
    assert "extra.json was not written" in done.stderr


STEPS = """
step=$(cat state/step 2>/dev/null || echo 0); echo "from $step" >> log
mkdir -p state; echo $((step + 1)) > state/step; echo big > model.h5
if [ $step = 0 ]; then sleep 0.3; exit 9; fi
echo 1 > output.json
"""


def test_checkpoint_is_saved_and_the_next_try_goes_on_from_it(work: Path) -> None:
    terms = {"checkpoint_paths": ("state", "model.h5"), "checkpoint_minutes": 0.001}
    prepare(work, STEPS, **terms)
    assert run(work).returncode == 1
    with tarfile.open(work / "culm_checkpoint.1.tgz") as archive:
        assert archive.getnames() == ["state/step", "model.h5"]
    (work / "state" / "step").unlink()
    assert run(work).returncode == 0
    assert (work / "log").read_text() == "from 0\nfrom 1\n"


def test_checkpoint_is_handed_over_as_a_tarball_where_asked(work: Path) -> None:
    terms = {"checkpoint_paths": ("state",), "checkpoint_load_as": "resume.tgz"}
    command = "test -f resume.tgz && echo 1 > output.json; mkdir -p state; date > state/now"
    prepare(work, command, **terms)
    assert run(work).returncode == 1
    (work / "state" / "now").unlink()
    assert run(work).returncode == 0


def test_checkpoint_over_its_limit_is_not_saved(work: Path) -> None:
    # At once, as a checkpoint is to be written: the start of it would be within the limit.
    prepare(work, "head -c 2000 /dev/urandom > part; mv part big; echo 1 > output.json",
            checkpoint_paths=("big",))  # fmt: skip
    document = json.loads((work / "culm_search.json").read_text())
    document["checkpoint"]["max_mb"] = 0.001
    (work / "culm_search.json").write_text(json.dumps(document))
    done = run(work)
    assert done.returncode == 0
    assert "not saved: 0.001 MB are allowed" in done.stderr
    assert not (work / "culm_checkpoint.1.tgz").exists()


def test_checkpoint_of_another_s_making_leads_nowhere_else(work: Path) -> None:
    prepare(work, "echo 1 > output.json", checkpoint_paths=("state",))
    (work / "evil").write_text("evil")
    with tarfile.open(work / "culm_checkpoint.1.tgz", "w:gz") as archive:
        archive.add(work / "evil", "../evil")
        archive.add(work / "evil", "good")
    assert run(work).returncode == 0
    assert not (work.parent / "evil").exists()
    assert (work / "good").read_text() == "evil"


def test_job_that_is_told_to_stop_saves_its_last_state(work: Path) -> None:
    prepare(
        work, "mkdir state; echo early > state/step; touch started; trap '' TERM; sleep 0.2; "
        "echo late > state/step; sleep 30",
        checkpoint_paths=("state",), checkpoint_minutes=60,
    )  # fmt: skip
    job = subprocess.Popen([sys.executable, "culm_search_job.py"], cwd=work,
                           start_new_session=True)  # fmt: skip
    try:
        wait_until((work / "started").exists, "the payload")
        os.kill(job.pid, signal.SIGTERM)
        assert job.wait(20) == 128 + signal.SIGTERM
    finally:
        os.killpg(job.pid, signal.SIGKILL)
    with tarfile.open(work / "culm_checkpoint.1.tgz") as archive:
        assert archive.extractfile("state/step").read() == b"late\n"  # type: ignore[union-attr]


def steer(work: Path, command: str, **terms: Any) -> subprocess.CompletedProcess[str]:
    search = SearchSpec(space={"x": 1}, steering_command=command, max_points=9, **terms)
    tried = [Tried({"x": 1}, 0.5), Tried({"x": 2}, None)]
    for name, text in steering_files(search, "seg", 3, tried).items():
        (work / name).write_text(text)
    return run(work)


def test_steering_program_reads_what_was_evaluated_and_writes_points(work: Path) -> None:
    done = steer(
        work, "echo %NUM_POINTS %MAX_POINTS %SEGMENT_NAME > said; cp %IN given; "
        "echo '[{\"x\": 3}]' > $PWD/%OUT",
    )  # fmt: skip
    assert done.returncode == 0
    assert (work / "said").read_text() == "3 9 seg\n"
    assert json.loads((work / "given").read_text()) == {
        "points": [[{"x": 1}, 0.5], [{"x": 2}, None]],
        "opt_space": {"x": 1},
    }
    assert result(work) == [{"x": 3}]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("exit 4", "the steering program failed with exit status 4"),
        ("true", "the steering program wrote no points"),
        ("echo '[]' > %OUT", "the steering program wrote no points: its list is empty"),
        ("echo '{}' > %OUT", "steering_out.json holds {}, a list of points is needed"),
        ("echo nonsense > %OUT", "steering_out.json is not JSON"),
    ],
)
def test_steering_program_that_fails_says_why(work: Path, command: str, words: str) -> None:
    done = steer(work, command)
    assert done.returncode == 1
    assert words in done.stderr.splitlines()[-1]


ENGINE = """#!/bin/sh
echo "$(basename $0) $@" > {said}
shift $(($# - 1))
cd {work} && /bin/sh -c "$1"
"""


@pytest.mark.parametrize(
    ("engine", "image", "words"),
    [
        ("apptainer", "docker://repo/ml:1",
         "exec --pwd /srv/workDir --bind {work}:/srv/workDir docker://repo/ml:1 /bin/sh -c"),
        ("apptainer", "repo/ml:1",
         "exec --pwd /srv/workDir --bind {work}:/srv/workDir docker://repo/ml:1 /bin/sh -c"),
        ("docker", "docker://repo/ml:1",
         "run --rm --volume {work}:/srv/workDir --workdir /srv/workDir --entrypoint /bin/sh "
         "repo/ml:1 -c"),
    ],
)  # fmt: skip
def test_command_runs_in_the_container(
    work: Path, tmp_path: Path, engine: str, image: str, words: str
) -> None:
    (tmp_path / "bin").mkdir()
    fake, said = tmp_path / "bin" / engine, tmp_path / "said"
    fake.write_text(ENGINE.format(said=said, work=work))
    fake.chmod(0o755)
    prepare(work, "echo 2 > output.json", evaluation_container=image)
    assert run(work, PATH=f"{tmp_path}/bin:/usr/bin:/bin").returncode == 0
    assert result(work) == {"1": {"loss": 2.0}}
    assert said.read_text().startswith(f"{engine} {words.format(work=work)} echo 2")


def test_node_without_a_container_engine_says_so(work: Path, tmp_path: Path) -> None:
    prepare(work, "echo 2 > output.json", evaluation_container="repo/ml:1")
    (tmp_path / "empty").mkdir()
    done = run(work, PATH=f"{tmp_path}/empty")
    assert done.returncode == 1
    assert "no container engine for repo/ml:1" in done.stderr
