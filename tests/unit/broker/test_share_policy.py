"""Fair-share policies of queues (PanDA documentation 12.1, zero share)."""

from __future__ import annotations

from typing import Any

import pytest

from broker.share_policy import gives_nothing, parse_share_policy
from culm.core.errors import InvalidRequest
from tests.unit.broker.scene import a_demand


@pytest.mark.parametrize(
    ("policy", "demand", "nothing"),
    [
        ("", {"processing_type": "pile"}, False),
        ("type=evgensimul:100%", {"processing_type": "simul"}, False),
        ("type=evgensimul:100%", {"processing_type": "pile"}, True),
        ("type=evgen:100%,type=any:0%", {"processing_type": "evgen"}, False),
        ("type=evgen:100%,type=any:0%", {"processing_type": "pile"}, True),
        ("type=evgen:100%,type=any:100%", {"processing_type": "pile"}, False),
        # Only what it names gets nothing.
        ("type=pile:0", {"processing_type": "evgen"}, False),
        ("priority>500:0,type=simul:100%,type=any:0%",
         {"priority": 501, "processing_type": "simul"}, True),
        ("priority>500:0,type=simul:100%,type=any:0%",
         {"priority": 500, "processing_type": "simul"}, False),
        # The first part that matches decides.
        ("type=evgen:100%,priority>500:0%", {"processing_type": "evgen", "priority": 900}, False),
        ("priority<=100:0", {"priority": 100}, True),
        ("priority!=100:0", {"priority": 100}, False),
        ("group=AP_*:50,group=any:0", {"working_group": "AP_Higgs"}, False),
        ("group=(AP_Higgs|AP_Susy):0%", {"working_group": "AP_Susy"}, True),
        ("gshare=Express.*:100%,gshare=any:0", {"share": "Express Analysis"}, False),
        ("gshare=Express:100%, gshare=any:0", {"share": "Express Analysis"}, True),
    ],
)  # fmt: skip
def test_policy(policy: str, demand: dict[str, Any], nothing: bool) -> None:
    assert gives_nothing(parse_share_policy(policy), a_demand(**demand)) is nothing


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ("type=evgen", "such as type=evgen:100%"),
        ("colour=red:100%", "such as type=evgen:100%"),
        ("priority>high:0", "such as type=evgen:100%"),
        ("type=(evgen:100%", "is no regular expression"),
        ("type=a:1," * 500, "at most 2000 characters"),
    ],
)
def test_policy_that_cannot_be_read_is_named(policy: str, words: str) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read") as caught:
        parse_share_policy(policy)
    assert words in caught.value.faults[0].needed
