"""SIGKILL of the daemon, again and again, in the middle of a loop: nothing runs twice."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.audit import audit
from tasks.store.books import Books
from tests.cwl_scene import a_workflow
from tests.installation import Installation, wait_until

ITERATIONS = 6
KILLS = 4


def _documents(record: Path) -> dict[str, str]:
    """A loop over two steps and a junction, each of which writes down that it ran."""

    def step(name: str, takes: str, run: str = "prun", more: str = "", out: str = "outDS") -> str:
        note = f"echo {name} %{{i}} >> {record}; echo a > a.txt; {more}"
        return (
            f"  {name}:\n    run: {run}\n    in:\n      opt_inDS: {takes}\n"
            f'      opt_exec: {{default: "{note}"}}\n'
            f"      opt_args: {{default: '--outputs a.txt'}}\n    out: [{out}]\n"
        )

    end = f"[ %{{i}} -ge {ITERATIONS - 1} ] && echo true || echo false"
    decide = f"echo '{{\\\"x\\\": 2, \\\"to_terminate\\\": '$({end})'}}' > results.json"
    body = a_workflow(
        step("one", "ds") + step("two", "one/outDS") + step("decide", "two/outDS", "junction",
                                                           decide, ""),
        head="inputs: {ds: string?, param_x: {type: int, default: 1}}\n"
        "outputs: {outDS: {type: string, outputSource: two/outDS}}",
    )  # fmt: skip
    main = a_workflow(
        "  first:\n    run: prun\n    in: {opt_exec: {default: 'echo a > a.txt'},\n"
        "      opt_args: {default: '--outputs a.txt'}}\n    out: [outDS]\n"
        "  again:\n    run: body.cwl\n    in: {ds: first/outDS}\n    out: [outDS]\n"
        "    hints: [loop]\n"
    )
    return {"main.cwl": main, "body.cwl": body}


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    parts = Installation(tmp_path, f"sqlite:///{tmp_path}/culm.db", lease_seconds=4)
    yield parts
    parts.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_loop_survives_kill_nine_of_the_daemon_with_nothing_run_twice(
    installation: Installation,
) -> None:
    chance, record = random.Random(4), installation.folder / "record"
    installation.start_all(pilots=1, slots=2)
    bundle = {"name": "user.root.killed", "cwl": "main.cwl", "files": _documents(record)}
    made = installation.api("POST", "/v1/workflows", json={"bundle": bundle})
    assert made.status_code == 201, made.text
    path = f"/v1/workflows/{made.json()['workflow_id']}"

    def n_runs() -> int:
        return record.read_text().count("\n") if record.exists() else 0

    due = sorted(chance.sample(range(2, 3 * ITERATIONS - 3), KILLS))
    try:
        for number in due:
            wait_until(lambda number=number: n_runs() >= number, f"{number} runs", 200)
            installation.kill("daemon")
            installation.start("daemon")
        wait_until(lambda: bool(installation.api("GET", path).json()["final"]), "the end", 200)
    finally:
        print(installation.logs()[-6000:])
    ended = installation.api("GET", path).json()
    assert (ended["status"], ended["step_counts"]) == ("done", {"done": 3 * ITERATIONS + 1})
    runs = Counter(record.read_text().splitlines())
    assert runs == {f"{step} {number}": 1 for step in ("one", "two", "decide")
                    for number in range(ITERATIONS)}  # fmt: skip
    with Books(installation.database_url) as books, books.read() as session:
        assert audit(session) == []
