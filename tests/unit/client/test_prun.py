"""What the options of prun mean as a task."""

from __future__ import annotations

from typing import Any

import pytest

from culm.client.prun import prun, secondary_streams, specification, task_name
from culm.client.prun_options import OPTIONS, Prun
from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.task_spec import InputStream, TaskSpec


def meaning(**options: Any) -> TaskSpec:
    return specification(prun(**{"exec": "true"} | options), "user.alice.x")


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"nJobs": 3}, {"n_jobs": 3}),
        ({"nJobs": 3, "noInput": True}, {"n_jobs": 3}),
        ({"inDS": "a, b,"}, {"inputs": (InputStream(datasets=("a", "b")),)}),
        (
            {"inDS": "a", "match": "*AOD*,*r1*", "antiMatch": "*bad*", "nFiles": 9,
             "nSkipFiles": 1, "nFilesPerJob": 2},
            {"inputs": (InputStream(datasets=("a",), match=("*AOD*", "*r1*"), n_files=9, n_skip=1,
                                    anti_match=("*bad*",)),), "n_files_per_job": 2},
        ),
        ({"inDS": "a", "nEventsPerJob": 5, "nEventsPerFile": 50, "nEvents": 100},
         {"inputs": (InputStream(datasets=("a",)),), "n_events_per_job": 5,
          "n_events_per_file": 50, "n_events": 100}),
        ({"inDS": "a", "nGBPerJob": 0.5},
         {"inputs": (InputStream(datasets=("a",)),), "n_gb_per_job": 0.5}),
        ({"outputs": "a.root,*.log", "exec": "x %OUT"},
         {"outputs": ("a.root", "*.log"), "command": "x %OUT"}),
        ({"site": "CERN", "excludedSite": "A,B"},
         {"site": "CERN", "excluded_sites": ("A", "B")}),
        ({"nCore": 8, "memory": "16GB", "disk": "1 TB", "walltime": "2h"},
         {"core_count": 8, "memory_mb": 16_000, "disk_mb": 1_000_000, "walltime_seconds": 7200}),
        ({"memory": 500}, {"memory_mb": 500}),
        ({"workingGroup": "higgs", "prodSourceLabel": "managed", "vo": "atlas",
          "processingType": "reco", "campaign": "MC23"},
         {"working_group": "higgs", "activity": "managed", "vo": "atlas",
          "processing_type": "reco", "campaign": "MC23"}),
        ({"maxAttempt": 1, "priority": 1001, "parentTaskID": 10_000_001, "forceStaged": True},
         {"max_attempts": 1, "priority": 1001, "parent_task_id": 10_000_001,
          "force_staged": True}),
        ({"exec": "x %IN %IN2", "inDS": "a", "secondaryDSs": "IN2:3:b:*x*:4"},
         {"command": "x %IN %IN2", "inputs": (
             InputStream(datasets=("a",)),
             InputStream(stream="IN2", datasets=("b",), n_files_per_job=3, match=("*x*",),
                         n_skip=4))}),
        ({"inDS": "a", "secondaryDSs": "IN2:1:b,%BKG:2:c", "reusableSecondary": "%BKG"},
         {"inputs": (
             InputStream(datasets=("a",)),
             InputStream(stream="IN2", datasets=("b",), n_files_per_job=1, reusable=False),
             InputStream(stream="BKG", datasets=("c",), n_files_per_job=2))}),
        ({"bexec": "make"}, {"build_command": "make"}),
        ({"containerImage": "docker://alpine:3", "useSecrets": True},
         {"container_image": "docker://alpine:3", "use_secrets": True}),
        ({"containerImage": "/cvmfs/unpacked.cern.ch/registry.hub.docker.com/atlas/ml:latest"},
         {"container_image": "/cvmfs/unpacked.cern.ch/registry.hub.docker.com/atlas/ml:latest"}),
        ({"noBuild": True}, {}),
        ({"outputs": "o", "mergeOutput": True, "mergeScript": "m -o %OUT -i %IN",
          "nFilesPerMergeJob": 9, "nGBPerMergeJob": 1.5, "nEventsPerMergeJob": 7},
         {"outputs": ("o",), "merge_output": True, "merge_script": "m -o %OUT -i %IN",
          "n_files_per_merge_job": 9, "n_gb_per_merge_job": 1.5, "n_events_per_merge_job": 7}),
    ],
)  # fmt: skip
def test_options_mean_a_task(options: dict[str, Any], fields: dict[str, Any]) -> None:
    assert meaning(**options) == TaskSpec(**{"name": "user.alice.x", "command": "true"} | fields)


@pytest.mark.parametrize(
    ("options", "flag", "words"),
    [
        ({"exec": " "}, "--exec", "say what each job runs"),
        ({"nJobs": 0}, "--nJobs", "from 1 to"),
        ({"nJobs": 10**9}, "--nJobs", "from 1 to"),
        ({"nCore": -1}, "--nCore", "from 1 to"),
        ({"memory": "2XB"}, "--memory", "500MB"),
        ({"memory": "0"}, "--memory", "from 1 to"),
        ({"maxFileSize": "-1", "noSandbox": True}, "--maxFileSize", "500MB"),
        ({"walltime": "soon"}, "--walltime", "1h30m"),
        ({"maxAttempt": 51}, "--maxAttempt", "from 1 to 50"),
        ({"noInput": True, "inDS": "a"}, "--noInput", "not together"),
        ({"noSandbox": True, "extFile": "a"}, "--noSandbox", "not together"),
        ({"match": "*"}, "--match", "needs --inDS"),
        ({"nSkipFiles": 2}, "--nSkipFiles", "needs --inDS"),
        ({"secondaryDSs": "IN2:1:b"}, "--secondaryDSs", "needs --inDS"),
        ({"inDS": " , "}, "--inDS", "at least one dataset"),
        ({"inDS": "a b"}, "--inDS", "a dataset name is"),
        ({"nFilesPerJob": 2}, "--nFilesPerJob", "only for a task with input"),
        ({"inDS": "a", "nJobs": 2, "nFilesPerJob": 2}, "--nJobs", "--nFilesPerJob, not both"),
        ({"exec": "x %IN"}, "--exec", "no input stream IN"),
        ({"exec": "x %OUT"}, "--exec", "no output is declared"),
        ({"outputs": "a/b"}, "--outputs", "no slash"),
        ({"outputs": "a,a"}, "--outputs", "each output once"),
        ({"site": "a b"}, "--site", "a queue or site name"),
        ({"site": "A", "excludedSite": "A"}, "--site", "excluded"),
        ({"inDS": "a", "secondaryDSs": "IN:1:b"}, "--secondaryDSs", "each stream once"),
        ({"exec": "x \x00"}, "--exec", "control characters"),
        ({"reusableSecondary": "IN2"}, "--reusableSecondary", "needs --inDS"),
        ({"inDS": "a", "reusableSecondary": "IN2"}, "--reusableSecondary", "needs --secondaryDSs"),
        (
            {"inDS": "a", "secondaryDSs": "IN2:1:b", "reusableSecondary": "IN3"},
            "--reusableSecondary",
            "did you mean IN2",
        ),
        ({"bexec": "make", "noSandbox": True}, "--bexec", "not with --noSandbox"),
        ({"bexec": "make", "noBuild": True}, "--noBuild", "not together with --bexec"),
        ({"bexec": "make %IN"}, "--bexec", "has no input, output or number"),
        ({"mergeOutput": True}, "--mergeOutput", "no output is declared"),
        ({"outputs": "o", "mergeScript": "m %IN %OUT"}, "--mergeScript", "needs --mergeOutput"),
        ({"nFilesPerMergeJob": 2}, "--nFilesPerMergeJob", "needs --mergeOutput"),
        ({"nGBPerMergeJob": 2}, "--nGBPerMergeJob", "needs --mergeOutput"),
        ({"nEventsPerMergeJob": 2}, "--nEventsPerMergeJob", "needs --mergeOutput"),
        (
            {"outputs": "o", "mergeOutput": True, "mergeScript": "m %IN"},
            "--mergeScript",
            "must name %OUT",
        ),
        ({"prodSourceLabel": "a b"}, "--prodSourceLabel", "what the task is for"),
        *(
            ({"containerImage": image}, "--containerImage", "an image is")
            for image in (
                "/etc",
                "/cvmfs/../etc",
                "/cvmfs",
                "-v",
                "a b",
                "file:///x",
                "docker://",
                "a;b",
                "../x",
                "/cvmfs/x/..",
            )
        ),
        ({"workingGroup": "a/b"}, "--workingGroup", "a working group's name"),
    ],
)
def test_option_that_is_wrong_is_named_by_its_flag(
    options: dict[str, Any], flag: str, words: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        meaning(**options)
    assert [f for f in caught.value.faults if f.field == flag and words in f.needed]


@pytest.mark.parametrize(
    ("text", "streams"),
    [
        ("IN2:3:b", [("IN2", 3, "b", (), 0)]),
        ("%IN2:3:b", [("IN2", 3, "b", (), 0)]),
        ("IN2:1:b:*.root", [("IN2", 1, "b", ("*.root",), 0)]),
        ("IN2:1:b::5", [("IN2", 1, "b", (), 5)]),
        ("IN2:1:b,IN3:2:c", [("IN2", 1, "b", (), 0), ("IN3", 2, "c", (), 0)]),
        (r"IN2:1:scope\:name", [("IN2", 1, "scope:name", (), 0)]),
        (None, []),
    ],
)
def test_secondary_streams_are_read(text: str | None, streams: list[tuple]) -> None:
    faults: list[FieldFault] = []
    found = [
        (s.stream, s.n_files_per_job, s.datasets[0], s.match, s.n_skip)
        for s in secondary_streams(text, faults)
    ]
    assert (found, faults) == (streams, [])


@pytest.mark.parametrize(
    "text", ["IN2", "IN2:3", "IN2:x:b", "IN2:0:b", "IN2:-1:b", "IN2:1:b:p:x", "IN2:1:b:p:1:2", ":"]
)
def test_secondary_stream_that_is_wrong_is_named(text: str) -> None:
    faults: list[FieldFault] = []
    assert list(secondary_streams(text, faults)) == []
    assert faults[0].field == "--secondaryDSs"


@pytest.mark.parametrize(
    ("out_ds", "roles", "name"),
    [
        (None, (), "user.alice.abcd"),
        ("user.alice.x", (), "user.alice.x"),
        ("user.alice.x/", (), "user.alice.x"),
        ("group.top.x", ("production",), "group.top.x"),
        ("user.bob.x", (), None),
        ("user.alice", (), None),
        ("group.top.x", ("user",), None),
    ],
)
def test_task_bears_a_name_of_its_user(
    out_ds: str | None, roles: tuple[str, ...], name: str | None
) -> None:
    options = Prun(exec="x", out_ds=out_ds)
    if name is None:
        with pytest.raises(InvalidRequest, match=r"must begin with user\.alice\."):
            task_name(options, "alice", roles, "abcd")
    else:
        assert task_name(options, "alice", roles, "abcd") == name


def test_every_flag_is_spelled_once() -> None:
    assert len(set(OPTIONS.values())) == len(OPTIONS)
