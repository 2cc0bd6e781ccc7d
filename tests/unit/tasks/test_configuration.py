"""Thresholds: definitions, values, bounds (panda-docs 10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.thresholds import Thresholds
from broker.throttle import Caps
from culm.core.errors import InvalidRequest, NotFound
from culm.core.thresholds import threshold
from tasks.black_holes import BlackHoles
from tasks.configuration import Values, definitions, definitions_by_class, definitions_of, find
from tasks.thresholds import Scouting, Timeouts


def test_every_threshold_has_words_and_a_default_within_its_bounds() -> None:
    for each in definitions():
        assert each.description, each.key
        assert each.unit, each.key
        if each.default is not None:
            assert each.value_of(str(each.default)) == each.default, each.key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("SCOUT_RAMCOUNT_RANK", "SCOUT_RAMCOUNT_RANK"),
        ("jedi.dbproxy.SCOUT_RAMCOUNT_RANK", "SCOUT_RAMCOUNT_RANK"),
        ("SCOUT_SHORT_EXECTIME_user", "SCOUT_SHORT_EXECTIME_user"),
        ("jedi.dbproxy.SCOUT_SHORT_EXECTIME_panda-x.1", "SCOUT_SHORT_EXECTIME_panda-x.1"),
        ("SCOUT_SHORT_EXECTIME_<activity>", "SCOUT_SHORT_EXECTIME_<activity>"),
        ("FAST_REBRO_THRESHOLD_NQUEUE_FRAC", "FAST_REBRO_THRESHOLD_NQUEUE_FRAC"),
        ("FAST_REBRO_THRESHOLD_NQUEUE_mc", "FAST_REBRO_THRESHOLD_NQUEUE_mc"),
    ],
)
def test_documented_name_finds_its_definition(name: str, key: str) -> None:
    definition, found = find(name)
    assert (found, definition.takes(key)) == (key, True)


def test_fraction_is_not_the_threshold_of_a_share_named_frac() -> None:
    assert find("FAST_REBRO_THRESHOLD_NQUEUE_FRAC")[0].field == "fast_rebro_threshold_nqueue_frac"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("SCOUT_RAMCOUNT_RANG", "did you mean SCOUT_RAMCOUNT_RANK?"),
        ("panda.dbproxy.SCOUT_RAMCOUNT_RANK", "did you mean SCOUT_RAMCOUNT_RANK?"),
        ("SCOUT_SHORT_EXECTIME_", "did you mean SCOUT_SHORT_EXECTIME_<activity>?"),
        ("SCOUT_SHORT_EXECTIME_a b", "did you mean SCOUT_SHORT_EXECTIME_<activity>?"),
        ("xyz", "known are"),
    ],
)
def test_unknown_name_names_the_nearest(name: str, words: str) -> None:
    with pytest.raises(NotFound) as missing:
        find(name)
    assert words in str(missing.value)


@pytest.mark.parametrize(
    ("name", "text", "needed"),
    [
        ("SCOUT_RAMCOUNT_RANK", "101", "a number, at least 0, at most 100 (percentile)"),
        ("SCOUT_RAMCOUNT_RANK", "-1", "at least 0"),
        ("SCOUT_RAMCOUNT_RANK", "many", "a number"),
        ("SCOUT_RAMCOUNT_RANK", "nan", "a number"),
        ("SCOUT_RAMCOUNT_MARGIN", "inf", "a number"),
        ("SCOUT_RAMCOUNT_RANK", "", "a number"),
        ("NQUEUECAP", "1.5", "a whole number, at least 0 (jobs)"),
        ("NQUEUECAP", "1" * 5000, "a whole number"),
        ("HEARTBEAT_TIMEOUT_user", "0", "a whole number, at least 1 (s)"),
    ],
)
def test_wrong_value_is_refused_with_what_would_be_right(name: str, text: str, needed: str) -> None:
    definition, _key = find(name)
    with pytest.raises(InvalidRequest) as refused:
        definition.value_of(text)
    assert needed in refused.value.faults[0].needed
    assert refused.value.faults[0].field == definition.key


def test_values_fill_dataclasses_over_the_defaults() -> None:
    values = Values({("SCOUT_RAMCOUNT_RANK", ""): "80", ("NQUEUECAP", "atlas"): "7",
                     ("SCOUT_SHORT_EXECTIME_<activity>", ""): "4",
                     ("SCOUT_SHORT_EXECTIME_user", ""): "10"})  # fmt: skip
    assert values.of(Scouting, activity="user") == Scouting(
        ram_count_rank=80.0, short_exectime_minutes=10.0
    )
    assert values.of(Scouting, activity="managed").short_exectime_minutes == 4.0
    assert values.of(Scouting).short_exectime_minutes == 4.0
    assert values.of(Caps, vo="atlas").max_queued_jobs == 7
    assert values.of(Caps, vo="cms") == values.of(Caps) == Caps()


@pytest.mark.parametrize("kind", [Timeouts, Scouting, Caps, Thresholds, BlackHoles])
def test_without_settings_the_defaults_of_the_code_hold(kind: type[Any]) -> None:
    assert Values({}).of(kind) == kind()


def test_value_is_read_by_name() -> None:
    values = Values({("FAST_REBRO_THRESHOLD_NQUEUE_mc", ""): "300"})
    assert values.get("FAST_REBRO_THRESHOLD_NQUEUE_mc") == 300
    assert values.of(Thresholds).fast_rebro_threshold_nqueue == {"mc": 300}
    assert values.get("jedi.jobbroker.FAST_REBRO_THRESHOLD_NQNR_RATIO") == 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Brokerage:
    n_queued_sat_cap: int = threshold(200, "NQUEUED_SAT_CAP", "files", "queued on a link")
    enabled: bool = threshold(True, "ENABLED", "", "whether")
    preset: str = "production"


def test_any_dataclass_of_thresholds_becomes_definitions() -> None:
    found = {each.key: each for each in definitions_of("jedi", "jobbroker", Brokerage)}
    assert [(d.type, d.default) for d in found.values()] == [
        ("int", 200), ("bool", True), ("str", "production")]  # fmt: skip
    assert found["ENABLED"].value_of("False") is False
    with pytest.raises(InvalidRequest, match="cannot have this value"):
        found["ENABLED"].value_of("perhaps")


@dataclass(frozen=True, slots=True, kw_only=True)
class ByShare:
    boost: Mapping[str, float] = field(
        default_factory=dict, metadata={"name": "BOOST_<share>", "unit": "", "description": "d"}
    )


def test_field_that_holds_a_mapping_gets_what_was_set_for_each_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for cached in (definitions, definitions_by_class):
        cached.cache_clear()
    monkeypatch.setattr("tasks.configuration.GROUPS", (("jedi", "jobbroker", ByShare),))
    values = Values({("BOOST_mc", ""): "2", ("BOOST_data", "atlas"): "3"})
    assert values.of(ByShare) == ByShare(boost={"mc": 2.0})
    assert values.of(ByShare, vo="atlas") == ByShare(boost={"mc": 2.0, "data": 3.0})
    assert Values({}).of(ByShare) == ByShare()
    for cached in (definitions, definitions_by_class):
        cached.cache_clear()


def test_name_that_is_defined_twice_is_a_bug_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = (("jedi", "jobthrottle", Caps), ("jedi", "jobbroker", Caps))
    monkeypatch.setattr("tasks.configuration.GROUPS", groups)
    definitions.cache_clear()
    with pytest.raises(TypeError, match="one name: NFILESCAP, NQUEUECAP"):
        definitions()


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_refused(text: str) -> None:
    for each in definitions():
        try:
            value = each.value_of(text)
        except InvalidRequest:
            continue
        assert type(value).__name__ == each.type
