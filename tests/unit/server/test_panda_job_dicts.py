"""Jobs of ours as PanDA's pilot reads them, and the programs that run them."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.wire.job_spec import LOG_STREAM, JobInput, JobOutput, JobSpec, Sandbox
from pilot.transforms.orders import Orders, orders_of
from server.panda.pilots import transforms
from server.panda.pilots.job_dicts import (
    LONGEST_LINE,
    Terms,
    arguments_text,
    job_dict,
    line_of,
    transform_of,
)
from tasks.views.guest_jobs import GuestJob

URL = "http://here/trf/job/a.b.c"
LOG = JobOutput(local_name="log.tgz", lfn="t.log.tgz", url="file:///s/t.log/t.log.tgz", kind="log")
OUT = JobOutput(local_name="x*.dat", lfn="u.xXYZ.dat.tgz", url="file:///s/t_x/u.xXYZ.dat.tgz")
LIB = JobOutput(local_name="lib.tgz", lfn="u.build1.lib.tgz", url="file:///s/t.lib/u.build1.lib.tgz",
                kind="lib", max_bytes=9)  # fmt: skip
SPEC = JobSpec(
    job_id=7, task_id=10000001, attempt_nr=2, task_name="user.alice.t",
    command="echo 'a b' > x1.dat",
    inputs=(JobInput(lfn="in1", stream="IN", urls=(), size_bytes=5, adler32="0000000a"),
            JobInput(lfn="in2", stream="IN2", urls=())),
    outputs=(OUT, LOG), sandbox=Sandbox(digest="d" * 64, url="", size_bytes=1),
)  # fmt: skip
JOB = GuestJob(7, 10000001, "sent", 2, 1000, "SCORE", "alice", "LOCAL", "DISK", "file:///s", None)
TERMS = Terms(job=JOB, source_url=URL, input_endpoint="IN_DISK")


def orders(spec: JobSpec, here: Path = Path()) -> Orders:
    """What the program of a job makes of its line."""
    return orders_of(transform_of(spec), shlex.split(line_of(spec, URL)), here)


def test_lists_of_a_job_are_joined_by_commas() -> None:
    found = job_dict(SPEC, TERMS)
    assert {name: found[name] for name in (
        "inFiles", "fsize", "checksum", "scopeIn", "ddmEndPointIn", "outFiles", "scopeOut",
        "scopeLog", "logFile", "ddmEndPointOut", "destinationDblock", "attemptNr",
    )} == {
        "inFiles": "in1,in2", "fsize": "5,0", "checksum": "ad:0000000a,NULL",
        "scopeIn": "job.7,job.7", "ddmEndPointIn": "IN_DISK,IN_DISK",
        "outFiles": "u.xXYZ.dat.tgz,t.log.tgz", "scopeOut": "job.7", "scopeLog": "job.7",
        "logFile": "t.log.tgz", "ddmEndPointOut": "DISK,DISK", "destinationDblock": "t_x,t.log",
        "attemptNr": 2,
    }  # fmt: skip


def test_every_key_that_the_sample_of_the_wire_has_is_there() -> None:
    known = {
        "PandaID", "jobName", "jobsetID", "jobDefinitionID", "taskID", "reqID", "attemptNr",
        "prodSourceLabel", "processingType", "prodUserID", "currentPriority", "transformation",
        "jobPars", "homepackage", "swRelease", "cmtConfig", "cloud", "nucleus", "sourceSite",
        "destinationSE", "transferType", "inFiles", "realDatasetsIn", "GUID", "fsize", "checksum",
        "scopeIn", "ddmEndPointIn", "dispatchDblock", "dispatchDBlockToken",
        "dispatchDBlockTokenForOut", "prodDBlocks", "prodDBlockToken", "outFiles",
        "destinationDblock", "destinationDBlockToken", "realDatasets", "fileDestinationSE",
        "logFile", "logGUID", "scopeOut", "scopeLog", "ddmEndPointOut", "maxCpuCount",
        "maxWalltime", "minRamCount", "maxDiskCount", "coreCount", "resource_type", "ioIntensity",
        "ioIntensityUnit",
    }  # fmt: skip
    assert set(job_dict(SPEC, TERMS)) == known


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, transforms.RUN),
        ({"kind": "build"}, transforms.BUILD),
        ({"kind": "merge"}, transforms.MERGE),
        ({"result_name": "r.json"}, transforms.SEARCH),
    ],
)
def test_each_kind_of_job_has_its_program(changes: dict[str, str], name: str) -> None:
    assert transform_of(replace(SPEC, **changes)) == name  # type: ignore[arg-type]


def test_program_of_a_run_gets_all_of_the_job() -> None:
    assert orders(SPEC) == Orders(
        command=SPEC.command, source_url=URL, archive=f"{'d' * 64}.tar.gz", inputs=("in1", "in2"),
        outputs={"x*.dat": "u.xXYZ.dat.tgz"},
    )  # fmt: skip


def test_program_of_a_build_makes_a_lib_file() -> None:
    found = orders(replace(SPEC, kind="build", inputs=(), outputs=(LIB, LOG)))
    assert found == Orders(
        command=SPEC.command, source_url=URL, archive=f"{'d' * 64}.tar.gz", outputs={},
        builds="u.build1.lib.tgz", max_lib_bytes=9,
    )  # fmt: skip


def test_program_of_a_merge_keeps_the_logs_that_it_merges() -> None:
    logs = (JobInput(lfn="l1", stream=LOG_STREAM, urls=()), *SPEC.inputs)
    found = orders(replace(SPEC, kind="merge", inputs=logs, sandbox=None))
    assert (found.inputs, found.logs, found.archive) == (("in1", "in2"), ("l1",), "")


def test_program_of_a_search_gets_its_files_and_leaves_a_result() -> None:
    lib = JobInput(lfn="u.lib.tgz", stream="", urls=())
    found = orders(replace(SPEC, files={"s.py": "1"}, result_name="r.json", lib=lib,
                           container_image="docker://a"))  # fmt: skip
    assert (found.files, found.result_name, found.lib, found.image) == (
        "files.tgz", "r.json", "u.lib.tgz", "docker://a")  # fmt: skip


def test_line_that_no_shell_would_take_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = replace(SPEC, command="echo " + "x" * LONGEST_LINE)
    assert line_of(spec, URL) == f"--sourceURL {URL} --argumentsFrom arguments.json"

    def fetched(url: str, target: Path) -> None:
        assert url == f"{URL}/cache/arguments.json"
        target.write_text(arguments_text(spec))

    monkeypatch.setattr("pilot.transforms.orders.fetch", fetched)
    assert orders(spec, tmp_path).command == spec.command


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_command_comes_unharmed_through_the_pilots_shell(command: str) -> None:
    # Their pilot splits the line and quotes it anew, then a shell reads it.
    words = shlex.split(line_of(replace(SPEC, command=command), URL))
    again = shlex.split(shlex.join(words))
    assert orders_of(transforms.RUN, again, Path()).command == command


def test_program_that_there_is_not_is_said_so() -> None:
    with pytest.raises(SystemExit, match="runAthena-1 is none of runGen, buildGen"):
        orders_of("runAthena-1", [], Path())


def test_same_files_give_the_same_program() -> None:
    transforms.program.cache_clear()
    first = transforms.program()
    transforms.program.cache_clear()
    assert transforms.program() == first
