"""Placeholders of a command (documentation, 4.1.2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.wire.placeholders import JobValues, fill, placeholders, streams_used


def values(**changes: Any) -> JobValues:
    files = {"IN": ("a", "b"), "IN2": ("c",), "NOISE": ("n1", "n2")}
    given = {"files": files, "outputs": ("o1", "o2"), "sequence_nr": 3, "max_events": 10,
             "skip_events": 20, "first_event": 30}  # fmt: skip
    return JobValues(**(given | changes))


@pytest.mark.parametrize(
    ("command", "filled"),
    [
        ("run %IN", "run a,b"),
        ("run %IN2 %IN", "run c a,b"),
        ("run %IN3", "run "),
        ("run %NOISE %NOISES", "run n1,n2 %NOISES"),
        ("date +%Y-%m-%d %H%M", "date +%Y-%m-%d %H%M"),
        ("run %OUT", "run o1,o2"),
        ("seed=%RNDM:100", "seed=103"),
        ("%RNDM", "%RNDM"),
        ("%MAXEVENTS %SKIPEVENTS %FIRSTEVENT:1", "10 20 31"),
        ("%FIRSTEVENT", "30"),
        ("%INPUT %OUTPUT %MAXEVENTSX", "%INPUT %OUTPUT %MAXEVENTSX"),
        ("%IN123", "%IN123"),
        ("100%% %IN.", "100%% a,b."),
        ("%%IN", "%a,b"),
    ],
)
def test_fill(command: str, filled: str) -> None:
    assert fill(command, values()) == filled


def test_values_are_not_looked_at_again() -> None:
    assert fill("%IN", values(files={"IN": ("%OUT", "%RNDM:1")})) == "%OUT,%RNDM:1"


@given(st.text(alphabet=st.characters(exclude_characters="%")))
def test_text_without_placeholders_is_kept(command: str) -> None:
    assert fill(command, values()) == command


def test_placeholders_are_listed_as_written() -> None:
    found = list(placeholders("%IN %RNDM:5 %OUT %IN2 %IN %FIRSTEVENT:1"))
    assert found == ["%IN", "%RNDM", "%OUT", "%IN2", "%IN", "%FIRSTEVENT"]
    assert streams_used("%IN2 %IN %IN2") == ["IN2", "IN"]
