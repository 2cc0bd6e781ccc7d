"""Sizes and durations."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.core.errors import InvalidRequest
from culm.core.units import (
    format_duration,
    format_size,
    parse_duration,
    parse_megabytes,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [("0", 0), ("500", 500), ("2 GB", 2 * 10**9), ("2gb", 2 * 10**9), ("1.5TiB", 3 * 2**39),
     ("10MB", 10**7), (" 3K ", 3000)],
)  # fmt: skip
def test_size_is_read(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize("text", ["", "-1", "GB", "1 XB", "1e9", "1,5GB", "nan", "1 2"])
def test_text_that_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="not a size"):
        parse_size(text)


def test_megabytes_are_the_unit_of_memory_and_round_up() -> None:
    assert [parse_megabytes(t) for t in ("2000", "2GB", "1B", "1.2MB")] == [2000, 2000, 1, 2]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("1h30m", 5400), ("2 d", 172_800), ("0.5h", 1800), ("1w", 604_800)],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "1y", "1h-3m", "-5", "1:30"])
def test_text_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.25, "0.2s"), (9.94, "9.9s"), (59.4, "59s"), (60, "1m"), (61, "1m 1s"),
     (5400, "1h 30m"), (3600, "1h"), (3601, "1h"), (93_600, "1d 2h")],
)  # fmt: skip
def test_duration_is_written_with_two_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 10**17))
def test_written_size_reads_back_to_three_digits(size_bytes: int) -> None:
    assert abs(parse_size(format_size(size_bytes)) - size_bytes) <= 0.006 * size_bytes
