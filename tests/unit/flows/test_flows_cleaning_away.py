"""The rows that look after Prefect's database, when Prefect is not there."""

from __future__ import annotations

import socket
from typing import cast

import pytest

from culm.core.errors import Unreachable
from flows.cleaning import clean_flow_runs, end_lost_shifts
from flows.table import TABLE
from tasks.store.books import Books

NO_BOOKS = cast(Books, None)


@pytest.mark.parametrize("row", [clean_flow_runs, end_lost_shifts])
def test_prefect_that_does_not_answer_is_no_bug_of_ours(row, monkeypatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/api"
    monkeypatch.setenv("PREFECT_API_URL", url)
    with pytest.raises(Unreachable, match="Prefect's API http://127"):
        row(NO_BOOKS)


def test_rows_of_prefect_are_those_that_clean_it() -> None:
    assert [row.name for row in TABLE if row.of_prefect] == ["clean_flow_runs", "end_lost_shifts"]
