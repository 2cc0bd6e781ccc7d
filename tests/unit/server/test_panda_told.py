"""What PanDA's pilots say, in our words: tables of cases."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.core.errors import InvalidRequest
from culm.wire.reports import JobMetrics, ReportState
from server.panda.asked import Asked
from server.panda.pilots.told import Told, renamed, told_of


def told(**fields: Any) -> Told:
    said = {"jobId": "7", "attemptNr": "1", "state": "running"} | fields
    return told_of(Asked(fields=said, parts=cast(Any, None), caller=None, host=""))


@pytest.mark.parametrize(
    ("state", "ours"),
    [
        ("starting", "starting"),
        ("running", "running"),
        ("transferring", "transferring"),
        ("holding", "transferring"),
        ("finished", "finished"),
        ("failed", "failed"),
    ],
)
def test_states_that_a_pilot_may_set_are_ours(state: str, ours: str) -> None:
    assert told(state=state, pilotErrorCode="1305").report.state == ours


@pytest.mark.parametrize(
    ("fields", "code", "diag"),
    [
        ({"pilotErrorCode": "1150", "pilotErrorDiag": "looping"}, 1150, "looping"),
        ({"pilotErrorCode": "0", "transExitCode": "3"}, 1305, "the payload exited with an error"),
        ({}, 1008, "general pilot error, see the pilot's log"),
        ({"pilotErrorCode": "NULL"}, 1008, "general pilot error, see the pilot's log"),
        ({"pilotErrorCode": "99999999999"}, 1008, "general pilot error, see the pilot's log"),
        ({"pilotErrorCode": "1305", "metaData": json.dumps(
            {"culm": {"pilot_error_code": 1165, "pilot_error_diag": "no a.txt"}})},
         1165, "no a.txt"),
        # What costs the owner no attempt is not for a payload to claim.
        ({"pilotErrorCode": "1305", "pilotErrorDiag": "x", "metaData": json.dumps(
            {"culm": {"pilot_error_code": 1201, "pilot_error_diag": "told to stop"}})},
         1305, "x"),
    ],
    ids=["code", "exit status", "nothing", "NULL", "too large", "program's", "not the payload's"],
)  # fmt: skip
def test_failure_bears_panda_s_number(fields: dict[str, str], code: int, diag: str) -> None:
    report = told(state="failed", **fields).report
    assert (report.pilot_error_code, report.pilot_error_diag) == (code, diag)


def test_finished_job_has_its_files() -> None:
    xml = json.dumps({"a.txt": {"guid": "", "fsize": 3, "adler32": "1234567", "surl": "file:///x"}})
    [file] = told(state="finished", xml=xml).report.outputs
    assert (file.lfn, file.size_bytes, file.adler32) == ("a.txt", 3, "01234567")


def test_files_of_a_job_that_runs_are_not_looked_at() -> None:
    assert told(xml="nonsense").report.outputs == ()


def test_what_was_measured_has_our_units() -> None:
    found = told(maxPSS="1000", cpuConsumptionTime="12", pilotTiming="1|2.5|30|4|0|0",
                 totRBYTES="2000000", nEvents="9").report.metrics  # fmt: skip
    assert found == JobMetrics(
        max_pss_mb=1.024, cpu_seconds=12.0, stage_in_seconds=2.5, wall_seconds=30.0,
        stage_out_seconds=4.0, read_mb=2.0, n_events=9,
    )  # fmt: skip


def test_newer_names_are_the_older_ones() -> None:
    assert renamed({"job_id": 1, "job_status": "x", "attempt_nr": 2, "pilot_error_code": 3,
                    "job_output_report": "{}", "max_pss": 4, "meta_data": "m"}) == {
        "jobId": 1, "state": "x", "attemptNr": 2, "pilotErrorCode": 3, "xml": "{}", "maxPSS": 4,
        "metaData": "m"}  # fmt: skip


_VALUES = st.one_of(st.none(), st.text(max_size=40), st.integers(), st.floats(), st.booleans(),
                    st.lists(st.text(max_size=5), max_size=3))  # fmt: skip


@given(st.dictionaries(
    st.sampled_from(["xml", "metaData", "pilotErrorCode", "pilotTiming", "node", "maxPSS",
                     "transExitCode", "pilotLog", "pilotErrorDiag", "nEvents"]), _VALUES),
    st.sampled_from(["running", "finished", "failed"]))  # fmt: skip
def test_whatever_else_is_sent_becomes_a_report(fields: dict[str, Any], state: str) -> None:
    report = told(state=state, **fields).report
    assert report.state in (ReportState(state), ReportState.FAILED)
    assert "\0" not in report.pilot_error_diag + report.output_tail


def test_a_job_without_number_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        told(jobId="x")
