"""The grid's document: what is taken, and how each fault is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from culm.core.documents import parse_document, read_document
from culm.core.errors import InvalidRequest
from tasks.grid import Known, read_grid
from tasks.queues import queue_settings

EXAMPLE = Path(__file__).parents[3] / "examples" / "grid" / "grid.yaml"
HERE = Known(sites=["CERN"], endpoints=["CERN_DISK"])


def faults_of(document: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as refused:
        read_grid(document, HERE, "the document")
    return {fault.field: fault.needed for fault in refused.value.faults}


def test_example_holds_a_grid() -> None:
    grid, warnings = read_grid(read_document(str(EXAMPLE)), Known(), "the example")
    assert (len(grid.sites), len(grid.queues), len(grid.links), warnings) == (12, 30, 77, ())
    settings = queue_settings(grid.queues["CERN_GPU"].settings, "CERN_GPU")
    assert settings.software is not None
    assert settings.software.gpu is not None
    assert settings.software.gpu.model == ("v100", "a100")


@pytest.mark.parametrize(
    ("settings", "key", "needed"),
    [
        ({"core_cout": 1}, "core_cout", "did you mean core_count?"),
        ({"core_count": "8"}, "core_count", "a whole number is needed"),
        ({"core_count": 0}, "core_count", "must be from 1 to 4096"),
        ({"core_count": 2, "min_core_count": 4}, "min_core_count", "at most core_count"),
        ({"heartbeat_seconds": 200}, "heartbeat_seconds", "at most 150, half of lease_seconds"),
        ({"max_memory_mb": 2, "min_memory_mb": 3}, "min_memory_mb", "at most max_memory_mb"),
        ({"fair_share_policy": "type=["}, "fair_share_policy", "such as"),
        ({"fair_share_policy": "type=[:1%"}, "fair_share_policy", "no regular expression"),
        ({"connectivity": "wide"}, "connectivity", "full, http or none"),
        ({"software": {"gpus": {}}}, "software.gpus", "did you mean gpu?"),
        ({"takes_ordinary_jobs": False, "takes_event_service": False}, "takes_ordinary_jobs",
         "event service"),
    ],
)  # fmt: skip
def test_setting_that_is_wrong_is_named_with_its_queue(
    settings: dict[str, Any], key: str, needed: str
) -> None:
    found = faults_of({"queues": {"BIG": {"site": "CERN", "settings": settings}}})
    assert list(found) == [f"queues.BIG.settings.{key}"]
    assert needed in found[f"queues.BIG.settings.{key}"]


@pytest.mark.parametrize(
    ("document", "field", "needed"),
    [
        ([], "body", "an object"),
        ({"quees": {}}, "quees", "did you mean queues?"),
        ({"queues": {"B G": {"site": "CERN"}}}, "queues", "a name"),
        ({"queues": {"B": {"site": "CERM"}}}, "queues.B.site", "did you mean CERN?"),
        ({"queues": {"B": {"site": "CERN", "status": "of"}}}, "queues.B.status", "offline"),
        ({"queues": {"B": {"site": "CERN", "reads": ["CERN_DISC"]}}}, "queues.B.reads",
         "did you mean CERN_DISK?"),
        ({"endpoints": {"E": {"site": "CERN", "url": "ftp://x"}}}, "endpoints.E.url", "begins"),
        ({"links": [{"source": "CERN", "destination": "BNL"}]}, "links[0].destination", "CERN"),
        ({"links": [{"source": "CERN", "destination": "CERN", "closeness": 12}]},
         "links[0].closeness", "from 0 to 11"),
        ({"Q": {"status": "online", "site": "CERN", "maxrss": "much"}}, "Q.maxrss", "could not"),
        ({"Q": {"status": "online", "site": "CERN", "jobseed": "x"}}, "Q.jobseed", "one of"),
    ],
)  # fmt: skip
def test_document_that_is_wrong_names_the_place(document: Any, field: str, needed: str) -> None:
    found = faults_of(document)
    assert needed in found[field], found


def test_cric_list_is_read_by_its_own_names() -> None:
    document = {"CERN-PROD": {
        "atlas_site": "CERN-T0", "status": "online", "corecount": 8, "corepower": 12.5,
        "maxrss": 16000, "minrss": 0, "maxwdir": 160000, "maxtime": 0, "capability": "ucore",
        "fairsharePolicy": "type=evgensimul:100%", "wnconnectivity": "full#IPv6",
        "direct_access_lan": True, "jobseed": "std", "catchall": "disableReassign,x",
        "transferringlimit": 500, "pledgedcpu": 7, "timefloor": None,
        "astorages": {"read_lan": ["CERN_DISK", "FAR"], "write_lan": ["CERN_DISK"]},
    }}  # fmt: skip
    grid, warnings = read_grid(document, HERE, "CRIC")
    queue = grid.queues["CERN-PROD"]
    assert (queue.site, queue.status, queue.reads) == ("CERN-T0", "online", ("CERN_DISK",))
    assert list(grid.sites) == ["CERN-T0"]
    assert warnings == ("endpoint FAR is not known here",)
    assert queue.settings == {
        "core_count": 8, "core_power": 12.5, "max_memory_mb": 16000, "min_memory_mb": 0,
        "max_disk_mb": 160000, "fair_share_policy": "type=evgensimul:100%",
        "connectivity": "full#IPv6", "transferring_limit": 500, "direct_access": True,
        "takes_event_service": False, "disable_reassign": True,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"a: &x [1]\nb: *x", "aliases are not taken"),
        (b"{", "a YAML or JSON document"),
        (b"\xff", "a YAML or JSON document"),
        (b"!!python/object:os.system x", "a YAML or JSON document"),
    ],
)
def test_bytes_that_are_no_document_are_refused(body: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_document(body, "grid.yaml")
    assert words in refused.value.faults[0].needed


def test_moments_stay_texts_as_in_json() -> None:
    assert parse_document(b"down_from: 2026-11-24T08:00:00Z\nat: 2026-11-24", "grid.yaml") == {
        "down_from": "2026-11-24T08:00:00Z", "at": "2026-11-24"}  # fmt: skip


@pytest.mark.parametrize(
    ("said", "settings"),
    [("analysis", {"kind": "analysis"}), ("Production", {"kind": "production"}),
     ("unified", {"kind": "unified"}), ("special", {})],
)  # fmt: skip
def test_cric_says_whose_jobs_a_queue_takes(said: str, settings: dict[str, str]) -> None:
    document = {"Q": {"status": "online", "type": said}}
    grid, _ = read_grid(document, Known(), "CRIC")
    assert dict(grid.queues["Q"].settings) == settings


def test_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"nowhere\.yaml is not taken"):
        read_document(str(tmp_path / "nowhere.yaml"))
    with pytest.raises(InvalidRequest, match=r"127\.0\.0\.1:9/grid is not taken"):
        read_document("http://127.0.0.1:9/grid")
