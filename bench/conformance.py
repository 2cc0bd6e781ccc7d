"""CWL's conformance tests, run against an installation of their own: what passes, what fails, why.

pip install cwltest
python -m bench.conformance …/conformance_tests.yaml [--images DIR] [-j 2] [-n 1,5-9] [--out FILE]

The suite is copied, so it may be read-only. Server, daemon and one pilot with as many slots as the
machine has cores run in a temporary directory, without Prefect, while `culm cwl-runner` is called
for each test as cwltest does. --images is the pilot's folder of unpacked images; it is made where
it is not there and debootstrap is, which takes a minute or two, root and Debian's archive.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.processes import free_port

PACKAGES = "python3,python-is-python3"
ENTRYPOINT = ("/bin/sh", "-c", 'case "$1" in -*) exec bash "$@";; esac; exec "$@"', "sh")
"""What the entry point of the one image that a test asks it of does: options are bash's."""
_TEST_SECONDS = 120
_CULM = (sys.executable, "-P", "-m", "culm")


@dataclass(frozen=True, slots=True)
class Result:
    """One test: `state` is passed, failed or unsupported."""

    number: int
    name: str
    tags: tuple[str, ...]
    state: str
    seconds: float
    reason: str = ""


def main() -> None:
    """Run the suite; a table on standard output, and all results as JSON in --out."""
    options = _options()
    if not shutil.which("cwltest"):
        sys.exit("cwltest is needed: pip install cwltest")
    with tempfile.TemporaryDirectory(prefix="culm-conformance-") as folder:
        suite = _copied(options.suite, Path(folder))
        tests = _chosen(yaml.safe_load(suite.read_text("utf-8")), options.numbers)
        images = _images(options.images) if options.images else None
        with _installation(Path(folder), images) as environment:
            began = time.monotonic()
            report = _cwltest(suite, environment, options)
            seconds = time.monotonic() - began
        results = list(_results(report, tests))
    document = {
        "seconds": round(seconds), "at_once": options.jobs, "cores": len(os.sched_getaffinity(0)),
        "load_at_end": round(os.getloadavg()[1], 1), "results": [asdict(one) for one in results],
    }  # fmt: skip
    if options.out:
        options.out.write_text(json.dumps(document, indent=1) + "\n")
    print(table(results, document))


def table(results: Sequence[Result], facts: Mapping[str, Any]) -> str:
    """The results in Markdown: counts by tag, and each test that did not pass with its reason."""
    rows = [
        f"{_count(results)[0]} of {len(results)} tests passed, {facts['seconds']} s, "
        f"{facts['at_once']} at once on {facts['cores']} cores (load {facts['load_at_end']})",
        "", "| tag | tests | passed | failed | unsupported |", "| --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    tags = Counter(tag for one in results for tag in one.tags)
    for tag, n in [("all", len(results)), *tags.most_common()]:
        counts = _count([one for one in results if tag == "all" or tag in one.tags])
        rows.append(f"| {tag} | {n} | {counts[0]} | {counts[1]} | {counts[2]} |")
    rows += ["", "| test | id | tags | state | why |", "| --- | --- | --- | --- | --- |"]
    for one in results:
        if one.state != "passed":
            why = one.reason.replace("|", "\\|")
            rows.append(
                f"| {one.number} | {one.name} | {', '.join(one.tags)} | {one.state} | {why} |"
            )
    return "\n".join(rows)


def _count(results: Sequence[Result]) -> tuple[int, int, int]:
    found = Counter(one.state for one in results)
    return found["passed"], found["failed"], found["unsupported"]


def _copied(suite: Path, folder: Path) -> Path:
    """The suite in a folder; results that it imports from where they are not are put there."""
    target = folder / "suite"
    shutil.copytree(suite.parent, target, copy_function=shutil.copyfile)
    for path in target.rglob("*"):
        path.chmod(0o755 if path.is_dir() or path.suffix in (".py", ".sh") else 0o644)
    for test in yaml.safe_load((target / suite.name).read_text("utf-8")):
        output = test.get("output")
        name = output.get("$import") if isinstance(output, dict) else None
        if name and not (target / name).exists():
            shutil.copyfile(next(target.rglob(Path(name).name)), target / name)
    return target / suite.name


def _chosen(tests: Sequence[Any], numbers: str | None) -> list[tuple[int, Any]]:
    """Tests with their numbers, in the suite's order as cwltest takes them."""
    wanted = None if numbers is None else set(_numbers(numbers))
    return [(n, one) for n, one in enumerate(tests, 1) if wanted is None or n in wanted]


def _numbers(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def _images(folder: Path) -> Path:
    """The folder of images, made if need be: one Debian stands for all."""
    if not (folder / "default").exists():
        if not shutil.which("debootstrap"):
            sys.exit(f"{folder}/default is not there, and no debootstrap to make it")
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "stable",
             str(folder / "default")],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    bash = folder / "bash:4.4"
    if not bash.exists():
        bash.mkdir()
        (bash / "rootfs").symlink_to("../default")
        (bash / "config.json").write_text(json.dumps({"config": {"Entrypoint": ENTRYPOINT}}))
    return folder.absolute()


@contextmanager
def _installation(folder: Path, images: Path | None) -> Iterator[dict[str, str]]:
    """An installation that lives as long as this; the environment for its commands."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CULM_")} | {
        "CULM_DATA_DIR": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config"),
        "CULM_SERVER_PORT": str(port), "CULM_SERVER_URL": f"http://127.0.0.1:{port}",
        "CULM_PREFECT_PORT": str(free_port()),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    if images is not None:
        environment["CULM_IMAGES_DIR"] = str(images)
    subprocess.run([*_CULM, "up", "--no-prefect", "--detach"], env=environment, check=True)
    try:
        yield environment
    finally:
        subprocess.run([*_CULM, "down"], env=environment, check=True)


def _cwltest(
    suite: Path, environment: Mapping[str, str], options: argparse.Namespace
) -> list[ET.Element]:
    """What cwltest reports of each test, in order; its words go to standard error."""
    report = suite.parent / "report.xml"
    command = [
        "cwltest", "--test", suite.name, "--tool", "culm", "-j", str(options.jobs),
        "--timeout", str(_TEST_SECONDS), f"--junit-xml={report}",
    ]  # fmt: skip
    if options.numbers:
        command += ["-n", options.numbers]
    subprocess.run(
        [*command, "--", "cwl-runner"], cwd=suite.parent, env=environment, stdout=sys.stderr,
        check=False,
    )  # fmt: skip
    return list(ET.parse(report).iter("testcase"))


def _results(report: Sequence[ET.Element], tests: Sequence[tuple[int, Any]]) -> Iterator[Result]:
    for case, (number, test) in zip(report, tests, strict=True):
        state, reason = "passed", ""
        if case.find("skipped") is not None:
            state = "unsupported"
        elif case.find("failure") is not None or case.find("error") is not None:
            state = "failed"
        if state != "passed":
            reason = _reason(case)
        yield Result(
            number, str(test["id"]).rpartition("/")[2], tuple(test.get("tags") or ()), state,
            float(case.get("time") or 0), reason,
        )  # fmt: skip


def _reason(case: ET.Element) -> str:
    """The runner's last words; or what cwltest found in its output."""
    said = (case.findtext("system-err") or "").strip().splitlines()
    ours = [line for line in said if line.startswith("culm: ")]
    failure = case.find("failure")
    told = (failure.get("message") or failure.text or "") if failure is not None else ""
    return " ".join((ours[-1] if ours else told or "\n".join(said)).split())[:300]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("suite", type=Path, help="the suite's conformance_tests.yaml")
    parser.add_argument("--images", type=Path, help="the folder of unpacked images")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="tests at once")
    parser.add_argument("-n", "--numbers", help="only these tests: 1,5-9")
    parser.add_argument("--out", type=Path, help="the file for all results, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
