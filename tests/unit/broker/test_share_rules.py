"""Tagging by regular expressions (panda-docs 14.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.share_rules import NAMES, Attributes, Rule, faults_of, tag

RULES = (
    Rule(share="urgent", patterns=Attributes(processing_type="urgent.*", vo="atlas")),
    Rule(share="higgs", patterns=Attributes(working_group="(phys|perf)-higgs")),
    Rule(share="mc", patterns=Attributes(activity="managed", campaign="MC2[0-9].*")),
    Rule(share="production", patterns=Attributes(activity="managed|test")),
)


@pytest.mark.parametrize(
    ("attributes", "share"),
    [
        ({"activity": "managed", "campaign": "MC23a"}, "mc"),
        ({"activity": "managed", "campaign": "MC16"}, "production"),
        ({"activity": "test"}, "production"),
        # whole attributes, not parts of them
        ({"activity": "managed2"}, "default"),
        ({"activity": "user"}, "default"),
        # the first rule wins, and all of its patterns must match
        ({"vo": "atlas", "processing_type": "urgent-1", "activity": "managed"}, "urgent"),
        ({"vo": "cms", "processing_type": "urgent-1", "activity": "managed"}, "production"),
        ({"working_group": "perf-higgs", "activity": "managed"}, "higgs"),
        ({}, "default"),
    ],
)
def test_first_rule_that_fits_names_the_share(attributes: dict[str, Any], share: str) -> None:
    assert tag(RULES, Attributes(**attributes)) == share


def test_rule_without_patterns_takes_everything() -> None:
    assert tag([Rule(share="all")], Attributes(user="x")) == "all"


@given(st.text(max_size=20), st.text(max_size=20), st.sampled_from(["managed", "user", "test"]))
def test_renaming_users_changes_nothing(user: str, other: str, activity: str) -> None:
    someone = Attributes(user=user, activity=activity)
    assert tag(RULES, someone) == tag(RULES, replace(someone, user=other))


def test_bad_rules_are_refused_with_words() -> None:
    rules = [
        Rule(share="mc", patterns=Attributes(campaign="(MC", user="*")),
        Rule(share="mcc"),
        Rule(share="mc", patterns=Attributes(vo="ok")),
    ]
    found = [str(fault) for fault in faults_of(rules, ["mc", "default"])]
    assert found == [
        "rules[0].campaign: (MC - a regular expression "
        "(missing ), unterminated subpattern at position 0)",
        "rules[0].user: * - a regular expression (nothing to repeat at position 0)",
        "rules[1].share: mcc - unknown; did you mean mc?",
    ]


@given(st.text(max_size=30), st.sampled_from(NAMES))
def test_any_pattern_is_named_or_works(pattern: str, name: str) -> None:
    rule = Rule(share="default", patterns=Attributes(**{name: pattern}))
    if not list(faults_of([rule], ["default"])):
        assert tag([rule], Attributes()) == "default"
