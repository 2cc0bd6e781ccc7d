"""Thresholds by their documented names."""

from __future__ import annotations

import pytest

from broker.thresholds import Thresholds, parameters, thresholds
from culm.core.errors import InvalidRequest


def test_every_threshold_has_a_name_of_its_own_and_a_description() -> None:
    found = parameters()
    assert len({p.name for p in found}) == len(found) > 30
    assert all(p.description and not p.description.endswith(".") for p in found)
    assert {"IO_INTENSITY_CUTOFF", "NQUEUED_SAT_CAP", "NW_THRESHOLD"} <= {p.name for p in found}


def test_without_values_the_defaults_hold() -> None:
    assert thresholds({}) == Thresholds()
    assert thresholds({p.name: p.default for p in parameters() if p.default is not None}) == (
        Thresholds()
    )


def test_values_change_what_they_name() -> None:
    found = thresholds(
        {"NW_THRESHOLD": 1.5, "FAST_REBRO_THRESHOLD_NQUEUE_Data Derivations": 200,
         "DISK_THRESHOLD_MC": 7, "DISK_THRESHOLD": 50}
    )  # fmt: skip
    assert found.nw_threshold == 1.5
    assert found.fast_rebro_threshold_nqueue == {"Data Derivations": 200}
    assert (found.disk_threshold_tb, found.disk_threshold_tb_by_share) == (50, {"MC": 7})


def test_wrong_values_are_all_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        thresholds(
            {"NW_THRESHOLDS": 1.5, "NW_THRESHOLD": -1, "NO_PILOT": float("nan"),
             "INACTIVE_QUEUE": True, "FAST_REBRO_THRESHOLD_NQUEUE_": 1}
        )  # fmt: skip
    faults = {fault.field: fault.needed for fault in caught.value.faults}
    assert faults["NW_THRESHOLDS"] == "unknown; did you mean NW_THRESHOLD?"
    assert "unknown" in faults["FAST_REBRO_THRESHOLD_NQUEUE_"]
    for name in ("NW_THRESHOLD", "NO_PILOT", "INACTIVE_QUEUE"):
        assert faults[name] == "a number, zero or more"
