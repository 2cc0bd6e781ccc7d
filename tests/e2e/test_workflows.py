"""The documentation's workflows with real processes: server, daemon, pilots."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from zlib import adler32

import pytest
import yaml

from culm.client import Client
from culm.client.chain import Chain
from tests.images import an_image, needs_bubblewrap
from tests.installation import Installation, wait_until

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "tests" / "data" / "cwl"
DECIDE = (
    "echo '{\\\"xxx\\\": 7, \\\"to_terminate\\\": '$([ %{i} -ge 2 ] && echo true || echo false)'}'"
    " > results.json"
)
DECIDE_AT_ONCE = "echo '{\\\"to_terminate\\\": true}' > results.json"

EVALUATE = """
import json, pathlib, tarfile
point = json.loads(pathlib.Path("input.json").read_text())
seeds = json.loads(pathlib.Path("input_ds.json").read_text())
assert len(seeds) == 2 and all(pathlib.Path(name).read_text() for name in seeds), seeds
pathlib.Path("output.json").write_text(json.dumps({"loss": (point["x"] - 1) ** 2 + point["y"]}))
with tarfile.open("metrics.tgz", "w:gz") as archive:
    archive.add("output.json")
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("workflows")
    parts = Installation(folder, f"sqlite:///{folder}/culm.db")
    parts.settings = {"CULM_IMAGES_DIR": str(an_image(folder / "images", "default"))}
    parts.start_all(pilots=2, slots=4)
    yield parts
    parts.stop()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The documentation's files, with the programs that they run."""
    folder = tmp_path / "work"
    shutil.copytree(EXAMPLES, folder)
    (folder / "merge.py").write_text("import sys; open('merged.root', 'w').write(repr(sys.argv))")
    _replace(folder / "merge_many.yaml", "background:", "backgrounds:")
    _replace(folder / "loop_body.cwl", '"echo 1"', f'"{DECIDE}"')
    _replace(folder / "scatter_body.cwl", '"echo 1"', f'"{DECIDE_AT_ONCE}"')
    (folder / "evaluate.py").write_text(EVALUATE)
    (folder / "signal.yaml").write_text("signal: user.root.signal\n")
    fails = (folder / "cond.cwl").read_text().replace("echo %RNDM:10 > seed.txt", "exit 1")
    (folder / "cond_fails.cwl").write_text(fails.replace("--nJobs 2", "--nJobs 2 --maxAttempt 1"))
    return folder


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, path
    path.write_text(text.replace(old, new))


def _datasets(work: Path) -> set[str]:
    found: set[str] = set()
    for path in work.glob("*.yaml"):
        for given in (yaml.safe_load(path.read_text()) or {}).values():
            found |= set(given if isinstance(given, list) else [given])
    return {name.strip("/") for name in found}


def _register(parts: Installation, name: str) -> None:
    files = []
    for number in range(6):
        path = parts.folder / f"{name.replace(':', '_')}.{number}.txt"
        path.write_text(f"{name} {number}\n")
        files.append({"lfn": path.name, "url": path.as_uri(), "size_bytes": path.stat().st_size,
                      "adler32": f"{adler32(path.read_bytes()):08x}"})  # fmt: skip
    answer = parts.api("POST", "/v1/datasets", json={"name": name, "files": files})
    assert answer.status_code == 201, answer.text


def _submitted(parts: Installation, work: Path) -> list[str]:
    """The numbers of all cases, one sent by the command and the others as it does."""
    token = (parts.folder / "data" / "tokens" / "user.token").read_text().strip()
    (first, order, _), *others = CASES
    sent = _culm(parts, work, "chain", "--cwl", first, "--yaml", order, "--outDS",
                 f"user.root.{first}")  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    with Client(parts.url, token=token) as client:

        def send(case: Case) -> str:
            cwl, order, _ = case
            options = Chain(cwl=str(work / cwl), yaml=str(work / order), work_dir=str(work),
                            out_ds=f"user.root.{cwl}")  # fmt: skip
            return str(client.chain(options).workflow_id)

        # The server checks each in a process of its own.
        with ThreadPoolExecutor(2) as pool:
            return [sent.stdout.strip(), *pool.map(send, others)]


def _culm(parts: Installation, work: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "culm", *words], env=parts.environment, cwd=work, text=True,
        capture_output=True, check=False, timeout=300,
    )  # fmt: skip


Case = tuple[str, str, dict[str, int]]
CASES: list[Case] = [
    # workflow, inputs, how its steps ended
    ("simple_chain.cwl", "dummy.yaml", {"done": 2}),
    ("sig_bg_comb.cwl", "sig_bg_comb.yaml", {"done": 6}),
    ("merge_many.cwl", "merge_many.yaml", {"done": 13}),
    ("cond.cwl", "dummy.yaml", {"done": 2}),
    ("cond_fails.cwl", "dummy.yaml", {"done": 1, "failed": 1}),
    ("loop.cwl", "dummy.yaml", {"done": 11}),
    ("sequential_loop.cwl", "signal.yaml", {"done": 3}),
    ("hpo.cwl", "dummy.yaml", {"done": 3}),
]


@needs_bubblewrap
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_documented_workflows_run_to_the_end(installation: Installation, work: Path) -> None:
    for name in sorted(_datasets(work)):
        _register(installation, name)
    numbers = _submitted(installation, work)
    paths = [f"/v1/workflows/{number}" for number in numbers]
    try:
        wait_until(lambda: all(_get(installation, path)["final"] for path in paths),
                   "the end of all workflows", 400)  # fmt: skip
    finally:
        print(installation.logs()[-6000:])
    ends = [_get(installation, path) for path in paths]
    assert [(end["name"], end["status"], end["step_counts"]) for end in ends] == [
        (f"user.root.{cwl}", "done", counts) for cwl, _, counts in CASES]  # fmt: skip
    merged = ends[2]["outputs"]["outDS"]
    files = installation.api("GET", f"/v1/datasets/{merged}/files").json()["files"]
    assert files, "the merged output is in the catalogue"
    shown = _culm(installation, work, "workflow", "show", numbers[5], "--json")
    decided = [step["decision"] for step in json.loads(shown.stdout)["steps"] if step["decision"]]
    assert [one["to_terminate"] for one in decided] == [False, False, True]
    picture = installation.folder / "loop.svg"
    drawn = _culm(installation, work, "workflow", "graph", numbers[5], "--svg", str(picture))
    assert (drawn.returncode, "work_loop/checkpoint" in picture.read_text()) == (0, True)
    assert _culm(installation, work, "workflow", "wait", *numbers[:2]).returncode == 0
    assert _culm(installation, work, "audit").returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_how_to_runs_as_it_is_written(installation: Installation, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "how-to" / "run-workflow.md").read_text()
    page = page.replace("user.alice.", "user.root.")
    folder = tmp_path / "howto"
    folder.mkdir()
    for name, text in re.findall(r"```\w+\n# (\S+\.\w+)\n(.*?)```", page, re.DOTALL):
        (folder / name).write_text(text)
    (commands,) = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    (python,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
                 if "client.chain" in block]  # fmt: skip
    token = {"CULM_TOKEN_FILE": str(installation.folder / "data" / "tokens" / "admin.token")}
    environment = installation.environment | token | {"PYTHONPATH": str(ROOT)}
    culm = f'culm() {{ "{sys.executable}" -m culm "$@"; }}\n'
    done = subprocess.run(["bash", "-ec", culm + commands], cwd=folder, env=environment, text=True,
                          capture_output=True, check=False, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr + installation.logs()
    assert "throw done" in done.stdout
    (result,) = (folder / "result").rglob("*pi.txt")
    assert float(result.read_text()) == pytest.approx(3.14159, abs=0.02)
    said = subprocess.run([sys.executable, "-c", python], cwd=folder, env=environment, text=True,
                          capture_output=True, check=False, timeout=300)  # fmt: skip
    assert said.stdout.startswith("done"), said.stderr


def _get(parts: Installation, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = parts.api("GET", path).json()
    return answer
