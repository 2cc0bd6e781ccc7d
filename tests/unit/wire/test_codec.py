"""The codec: what goes in comes out, and every fault is named."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from culm.core.errors import InvalidRequest
from culm.wire.codec import decode, decode_json, decode_naming_faults, encode, parse_json
from culm.wire.job_spec import WorkRequest
from culm.wire.readers import Misfit, message_reader
from culm.wire.reports import JobMetrics, JobReport, OutputFile, ReportBatch, ReportState
from culm.wire.task_spec import InputStream, TaskSpec

ASCII = st.text(alphabet="abcXYZ019_.-", min_size=1, max_size=20).map(lambda s: "a" + s)
TEXT = st.text(alphabet=st.characters(exclude_categories=["C", "Z"]), max_size=30)

streams = st.builds(
    InputStream,
    datasets=st.lists(ASCII, max_size=3).map(tuple),
    n_files_per_job=st.none() | st.integers(1, 1000),
    n_skip=st.integers(0, 99),
    match=st.lists(TEXT, max_size=2).map(tuple),
)
specs = st.builds(
    TaskSpec,
    name=ASCII,
    command=TEXT,
    inputs=st.lists(streams, max_size=2).map(tuple),
    outputs=st.lists(ASCII, max_size=2).map(tuple),
    n_gb_per_job=st.none() | st.floats(0.001, 1e6),
    priority=st.integers(900, 1100),
    force_staged=st.booleans(),
)
reports = st.builds(
    JobReport,
    job_id=st.integers(1, 2**62),
    attempt_nr=st.integers(1, 1000),
    report_nr=st.integers(1, 2**31 - 1),
    state=st.sampled_from(ReportState),
    exit_code=st.none() | st.integers(-255, 255),
    pilot_error_diag=TEXT,
    metrics=st.none()
    | st.builds(JobMetrics, max_pss_mb=st.floats(0, 1e9), n_events=st.integers(0, 10**12)),
    outputs=st.lists(
        st.builds(OutputFile, lfn=ASCII, size_bytes=st.integers(0, 2**60),
                  adler32=st.just("0000000a")),
        max_size=3,
    ).map(tuple),
)  # fmt: skip


@settings(max_examples=60)
@given(specs | st.builds(ReportBatch, reports=st.lists(reports, max_size=3).map(tuple)))
def test_decoding_gives_back_what_was_encoded(message: Any) -> None:
    assert decode(type(message), encode(message)) == message
    assert decode_json(type(message), json.dumps(encode(message)).encode()) == message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(
    ["job_id", "attempt_nr", "report_nr", "state", "exit_code", "pilot_error_diag", "outputs",
     "metrics", "node", "lfn", "size_bytes", "adler32", "max_pss_mb", "n_events", "reports"]
)  # fmt: skip
odd_reports = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    | st.sampled_from([1, 2**31, 2**63, "finished", "0000000a", "a/b", "a\nb", "\ud800", "\0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=6),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=300)
@given(odd_reports | reports.map(encode), st.dictionaries(keys, odd_reports, max_size=2))
def test_quick_way_takes_nothing_that_the_slow_way_does_not(value: Any, changes: Any) -> None:
    changed = value | changes if isinstance(value, dict) else value
    for kind in (JobReport, ReportBatch, OutputFile, JobMetrics):
        try:
            message = message_reader(kind)(changed)
        except Misfit:
            continue
        assert message == decode_naming_faults(kind, changed)


def test_quick_way_takes_what_is_right() -> None:
    report = JobReport(job_id=1, attempt_nr=1, report_nr=1, state=ReportState.FINISHED)
    assert message_reader(JobReport)(encode(report)) == report


fields = st.sampled_from(["name", "command", "inputs", "outputs", "n_jobs", "priority", "site"])


@settings(max_examples=100)
@given(json_values | st.dictionaries(fields, json_values, max_size=5))
def test_any_value_is_decoded_or_refused_with_faults(value: Any) -> None:
    with suppress(InvalidRequest):
        decode(TaskSpec, value)
        return
    problem = problem_of(TaskSpec, value)
    assert all(fault["needed"] for fault in problem["errors"])
    json.dumps(problem).encode()


def problem_of(kind: type, value: Any) -> dict[str, Any]:
    with pytest.raises(InvalidRequest) as caught:
        decode(kind, value)
    return caught.value.as_problem()


def faults(kind: type, value: Any) -> dict[str, str]:
    return {fault["field"]: fault["needed"] for fault in problem_of(kind, value)["errors"]}


def test_every_fault_is_named_at_once() -> None:
    found = faults(TaskSpec, {
        "nmae": "x", "command": 3, "n_jobs": 0, "outputs": ["ok", "no/slash"],
        "inputs": [{"datasets": "d"}, {"n_skip": -1}],
    })  # fmt: skip
    assert sorted(found) == [
        "command", "inputs[0].datasets", "inputs[1].n_skip", "n_jobs", "name", "nmae",
        "outputs[1]",
    ]  # fmt: skip
    assert found["nmae"] == "unknown; did you mean name?"
    assert found["name"] == "is required"


@pytest.mark.parametrize(
    ("field", "value", "needed"),
    [
        ("n_jobs", True, "a whole number is needed"),
        ("n_jobs", 1.0, "a whole number is needed"),
        ("n_jobs", "1", "a whole number is needed"),
        ("n_jobs", -1, "must be from 1 to 10000000"),
        pytest.param("n_jobs", 10**400, "must be from 1 to 10000000", id="huge-int"),
        ("n_gb_per_job", math.nan, "a number is needed"),
        ("n_gb_per_job", math.inf, "a number is needed"),
        ("n_gb_per_job", True, "a number is needed"),
        pytest.param("n_gb_per_job", 10**400, "a number is needed", id="huge"),
        ("force_staged", 1, "true or false is needed"),
        ("force_staged", None, "true or false is needed"),
        ("name", "a" * 201, "must be at most 200 characters long"),
        ("name", "a\x00", "must not hold control characters"),
        ("command", "a\ud800", "must not hold control characters"),
        ("command", None, "a string is needed"),
        ("sandbox", "A" * 64, "a SHA-256 digest"),
    ],
)
def test_wrong_value_is_refused(field: str, value: Any, needed: str) -> None:
    found = faults(TaskSpec, {"name": "t", "command": "true"} | {field: value})
    assert list(found) == [field]
    assert found[field].startswith(needed) or "surrogate" in found[field]


@pytest.mark.parametrize("value", [[], "x", 1, None, True])
def test_body_that_is_no_object_is_refused(value: Any) -> None:
    assert faults(TaskSpec, value) == {"body": "an object is needed"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b'{"a": NaN}', b'{"a": -Infinity}', b"\xff\xfe", b"[" * 100_000, b"\xed\xa0\x80",
     b"1" * 5000],
)  # fmt: skip
def test_bytes_that_are_not_json_are_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="is not valid JSON"):
        parse_json(body)


def test_deep_value_is_refused_not_followed() -> None:
    value: Any = "end"
    for _ in range(500):
        value = {"inputs": [value]}
    assert faults(TaskSpec, value | {"name": "t", "command": "c"})


@pytest.mark.parametrize("field", ["attempt_nr", "report_nr", "exit_code", "pilot_error_code"])
def test_number_that_the_books_cannot_hold_is_refused(field: str) -> None:
    report = {"job_id": 1, "attempt_nr": 1, "report_nr": 1, "state": "running"}
    assert field in faults(JobReport, report | {field: 2**31})


def test_number_over_64_bits_is_refused() -> None:
    report = {"job_id": 2**63, "attempt_nr": 1, "report_nr": 1, "state": "running"}
    assert faults(JobReport, report) == {"job_id": "must fit in 64 bits"}


def test_unknown_choice_names_the_nearest() -> None:
    report = {"job_id": 1, "attempt_nr": 1, "report_nr": 1, "state": "runing"}
    assert faults(JobReport, report) == {"state": "unknown; did you mean running?"}


def test_none_is_left_out_and_defaults_come_back() -> None:
    assert encode(WorkRequest(request_key="k")) == {
        "request_key": "k", "n_jobs": 1, "core_count": 1, "memory_mb": 2000, "disk_mb": 10_000,
        "wait_seconds": 0,
    }  # fmt: skip
