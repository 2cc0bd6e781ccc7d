"""The table, its flows, and prefect.yaml say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flows import cleaning, deployments
from flows.daemons import DAEMON_FLOWS
from flows.stages import STAGE_FLOWS
from flows.table import TABLE, Row
from tasks.stages import STAGES

YAML = Path(__file__).parents[3] / "prefect.yaml"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_every_row_has_a_function_and_a_flow(row: Row) -> None:
    assert callable(row.load())
    assert DAEMON_FLOWS[row.name].description == row.words
    assert row.period_seconds > 0


def test_names_of_rows_are_unique() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)


def test_every_stage_has_a_flow_and_the_cleaner_knows_it() -> None:
    assert list(STAGE_FLOWS) == list(STAGES) == list(cleaning.STAGES)


def test_prefect_yaml_is_up_to_date() -> None:
    assert YAML.read_text(encoding="utf-8") == deployments.text(), (
        "run: python -m flows.deployments > prefect.yaml"
    )


def test_prefect_yaml_has_the_periods_of_the_table() -> None:
    found = {d["name"]: d for d in yaml.safe_load(YAML.read_text(encoding="utf-8"))["deployments"]}

    for row in TABLE:
        [schedule] = found[row.name]["schedules"]
        assert schedule["interval"] == max(row.period_seconds, deployments.SHORTEST_SECONDS)
        # A shorter period is kept inside the run: it repeats the row until the next one starts.
        repeats = row.period_seconds < deployments.SHORTEST_SECONDS
        assert ("parameters" in schedule) == repeats


def test_every_entry_point_of_prefect_yaml_is_a_flow() -> None:
    import importlib

    for deployment in yaml.safe_load(YAML.read_text(encoding="utf-8"))["deployments"]:
        module, _, name = deployment["entrypoint"].rpartition(".")
        assert getattr(importlib.import_module(module), name).name == deployment["name"]
