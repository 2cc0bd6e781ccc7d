"""Names of flow runs, back-off, and what may be imported without Prefect."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import flows
from flows.backoff import Backoff
from flows.run_names import ids_title, shift_title


def test_shift_title_says_agent_owner_and_time() -> None:
    now = datetime(2026, 5, 1, 12, 0, 7, tzinfo=UTC)

    assert shift_title("refine", "host:7:ab", now) == "refine shift host:7:ab 2026-05-01 12:00:07"


def test_ids_title_names_up_to_twenty_ids() -> None:
    assert ids_title("feed", [10000001, 10000002]) == "feed 10000001,10000002"
    assert ids_title("feed", list(range(1, 26))).endswith("19,20 and 5 more")


def test_backoff_doubles_up_to_the_longest_and_forgets_on_success() -> None:
    backoff = Backoff(first_seconds=2, longest_seconds=10)

    assert [backoff.failed("x") for _ in range(4)] == [2, 4, 8, 10]
    backoff.succeeded("x")
    assert backoff.failed("x") == 2
    assert [backoff.failed("y") for _ in range(2000)][-1] == 10


def test_daemon_command_is_ready_without_importing_prefect() -> None:
    code = (
        "import sys, flows, flows.command, flows.process, flows.table, flows.cleaning\n"
        "assert 'prefect' not in sys.modules, 'prefect was imported'"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


def test_flow_api_exports_what_it_says() -> None:
    for name in flows.__all__:
        assert getattr(flows, name).name == name


def test_no_module_of_flows_bears_the_name_of_a_package() -> None:
    taken = {"tasks", "server", "broker", "pilot", "cwl", "culm", "flows"}
    modules = {path.stem for path in Path(flows.__file__).parent.iterdir()}
    assert not modules & taken
