"""What Athena options mean (panda-docs 4.1.4): placeholders, several trfs, event picking."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from culm.client.athena import athena_command, parts
from culm.client.event_picking import Event, events_of, picked
from culm.client.pathena import as_prun, pathena
from culm.client.prun import specification
from culm.client.search_files import on_disk
from culm.core.errors import InvalidRequest
from culm.wire.placeholders import JobValues, fill
from culm.wire.task_spec import InputStream, TaskSpec

DATASETS = [
    "data10_7TeV.00154514.physics_CosmicCaloEM.recon.AOD.r733_p1",
    "data10_7TeV.00154514.physics_CosmicCaloEM.recon.ESD.r733_p1",
    "data10_7TeV.00154558.physics_CosmicCaloEM.recon.AOD.r733_p1",
    "data10_7TeV.00154558.physics_L1Calo.recon.AOD.r900",
]


def named(pattern: str) -> list[str]:
    return [name for name in DATASETS if pattern.strip("*.") in name]


def meaning(shell: dict[str, str] | None = None, **options: Any) -> TaskSpec:
    given = pathena(**options)
    events = picked(given, on_disk, named)
    found = athena_command(given, shell or {}, events, lambda: ("ddo.DBRelease.v9", "DBR-9.tar.gz"))
    return specification(as_prun(given, found, events), "user.alice.x")


def test_transformation_with_its_placeholders() -> None:
    found = meaning(trf="Reco_trf.py inputAODFile=%IN outputNTUP_SUSYFile=%OUT.NTUP.root seed="
                    "%RNDM:100 skipEvents=%SKIPEVENTS maxEvents=%MAXEVENTS "
                    "firstEvent=%FIRSTEVENT:1", inDS="data", nEventsPerJob=10)  # fmt: skip
    assert found.outputs == ("NTUP.root",)
    assert found.command == (
        "Reco_trf.py inputAODFile=%IN outputNTUP_SUSYFile=NTUP.root seed=%RNDM:100 "
        "skipEvents=%SKIPEVENTS maxEvents=%MAXEVENTS firstEvent=%FIRSTEVENT:1"
    )


def test_several_transformations_hand_their_files_on(tmp_path: Path) -> None:
    """Simulation and digitisation: only what bears %OUT is kept (4.1.4)."""
    for name in ("AtlasG4_trf.py", "Digi_trf.py"):
        script = tmp_path / name
        script.write_text('#!/bin/sh\ncat "$1" > "$2"; echo "$0 $3" | sed s,.*/,, >> "$2"\n')
        script.chmod(0o755)
    (tmp_path / "evgen").write_text("events\n")
    spec = meaning(trf="AtlasG4_trf.py %IN tmp.HITS 'a;b'; Digi_trf.py tmp.HITS %OUT.RDO.pool.root",
                   inDS="d")  # fmt: skip
    assert spec.outputs == ("RDO.pool.root",)
    values = JobValues(files={"IN": ("evgen",)}, outputs=spec.outputs, sequence_nr=0,
                       max_events=-1, skip_events=0, first_event=0)  # fmt: skip
    command = f"PATH=.:$PATH; {fill(spec.command, values)}"
    subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, check=True)
    assert (tmp_path / "RDO.pool.root").read_text() == "events\nAtlasG4_trf.py a;b\nDigi_trf.py \n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a; b ;c;", ["a", "b", "c"]),
        ("a 'x;y'; b \"p;'q\"", ["a 'x;y'", 'b "p;\'q"']),
        (r"find -exec x \;; b", [r"find -exec x \;", "b"]),
        (" ; ", []),
    ],
)
def test_semicolons_part_commands_but_not_in_quotes(text: str, found: list[str]) -> None:
    assert parts(text) == found


def test_streams_of_databases_and_background() -> None:
    found = meaning(
        trf="Digi_trf.py in=%IN DBRelease=%DB:ddo.v05:DBRelease-5.tar.gz db=%DB:LATEST min=%MININ "
            "cav=%CAVIN out=%OUT.RDO.root again=%DB:ddo.v05:DBRelease-5.tar.gz",
        inDS="hits", minDS="minbias", nMin=3, cavDS="cavern",
    )  # fmt: skip
    assert found.inputs == (
        InputStream(datasets=("hits",)),
        InputStream(stream="MININ", datasets=("minbias",), n_files_per_job=3),
        InputStream(stream="CAVIN", datasets=("cavern",), n_files_per_job=1),
        InputStream(stream="DBR", datasets=("ddo.v05",), n_files_per_job=1,
                    match=("DBRelease-5.tar.gz",)),
        InputStream(stream="DBR2", datasets=("ddo.DBRelease.v9",), n_files_per_job=1,
                    match=("DBR-9.tar.gz",)),
    )  # fmt: skip
    assert "DBRelease=DBRelease-5.tar.gz db=DBR-9.tar.gz min=%MININ" in found.command


def test_split_and_events_without_input() -> None:
    """M jobs, each with N events (FAQ of 4.1.4)."""
    found = meaning(trf="Evgen.py seed=%RNDM:1 maxEvents=%MAXEVENTS o=%OUT.EVNT", split=3,
                    nEventsPerJob=10)  # fmt: skip
    assert (found.n_jobs, found.n_events_per_job, found.outputs) == (3, 10, ("EVNT",))


def test_job_options_get_their_input(tmp_path: Path) -> None:
    (tmp_path / "athena.py").write_text("#!/bin/sh\necho $# $1 $2 $3 $4 $5\ncp $5 seen.py\n")
    (tmp_path / "athena.py").chmod(0o755)
    found = meaning(jobOptions="one.py,two.py", oneLiner="DO = 1", inDS="d", nEventsPerJob=5,
                    extOutFile="hist.root", nEventsPerFile=10)  # fmt: skip
    assert found.outputs == ("hist.root",)
    values = JobValues(files={"IN": ("a.root", "b.root")}, outputs=found.outputs, sequence_nr=0,
                       max_events=5, skip_events=10, first_event=0)  # fmt: skip
    command = f"PATH=.:$PATH; {fill(found.command, values)}"
    said = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, check=True,
                          stdout=subprocess.PIPE, text=True).stdout  # fmt: skip
    assert said == "5 -c DO = 1 one.py two.py culm_options.py\n"
    fragment = (tmp_path / "seen.py").read_text()
    compile(fragment, "seen.py", "exec")
    assert "InputCollections = 'a.root,b.root'.split(',')" in fragment
    assert "EvtMax = 5" in fragment
    assert "SkipEvents = 10" in fragment


@pytest.mark.parametrize(
    ("options", "shell", "release"),
    [
        ({"athenaTag": "AnalysisBase,21.2.40"}, {}, "AnalysisBase-21.2.40"),
        ({"athenaTag": "21.0.38,Athena,here"}, {}, "Athena-21.0.38"),
        ({}, {"AtlasProject": "Athena", "AtlasVersion": "22.0.1"}, "Athena-22.0.1"),
        ({"release": "Athena-1.0"}, {"AtlasProject": "X", "AtlasVersion": "2"}, "Athena-1.0"),
        ({}, {}, None),
    ],
)
def test_release_is_demanded_and_set_up(
    options: dict[str, Any], shell: dict[str, str], release: str | None
) -> None:
    found = meaning(shell, trf="T.py x='y z' %IN", inDS="d", **options)
    assert found.release == release
    if release is not None:
        assert found.command.startswith("bash -c ")
        assert f"asetup {release.replace('-', ',')},here" in found.command
        assert meaning(shell, trf="T.py", noSetup=True, **options).command == "T.py"


def test_events_are_picked_by_run_stream_and_type(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rrr.txt").write_text("154514 21179\n154514 29736\n# more\n154558 448080\n")
    assert events_of("rrr.txt", on_disk)[0] == Event(154514, 21179)
    found = meaning(jobOptions="j.py", eventPickEvtList="rrr.txt", eventPickDataType="AOD",
                    eventPickStreamName="physics_CosmicCaloEM", eventPickAmiTag="r733")  # fmt: skip
    assert found.inputs == (InputStream(datasets=(DATASETS[0], DATASETS[2])),)
    assert "open('rrr.txt')" in found.command
    Path("named.txt").write_text("1 2 a.root\n1 3 b.root\n1 4 a.root\n")
    found = meaning(jobOptions="j.py", eventPickEvtList="named.txt", inDS="d")
    assert found.inputs == (InputStream(datasets=("d",), match=("a.root", "b.root")),)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "--trf: missing - give transformations"),
        ({"trf": "x", "jobOptions": "y"}, "--trf: both"),
        ({"trf": "x %MININ"}, "--trf: %MININ - no dataset is given"),
        ({"trf": "x %DB:only"}, "--trf: %DB:only - %DB:DATASET:FILE"),
        ({"trf": "x", "athenaTag": "fresh"}, "--athenaTag: fresh - PROJECT,VERSION"),
        ({"trf": "x", "split": 2, "nJobs": 3}, "--split: 2 - --nJobs says another"),
        ({"trf": "x", "tfr": 2}, "tfr: 2 - unknown; did you mean trf?"),
        ({"trf": "x", "exec": "y"}, "exec: 'y' - unknown"),
        ({"jobOptions": "x", "eventPickEvtList": "bad.txt"},
         "--eventPickEvtList bad.txt:2: '154514 x' - a run and an event number"),
        ({"jobOptions": "x", "eventPickEvtList": "none.txt"}, "none.txt - No such file"),
        ({"jobOptions": "x", "eventPickEvtList": "other.txt"},
         "--eventPickEvtList: run 7 - no dataset bears its number"),
        ({"jobOptions": "x", "eventPickEvtList": "some.txt", "inDS": "d"},
         "--eventPickEvtList: 1 3 - bears no file's name"),
        ({"jobOptions": "x", "eventPickEvtList": "other.txt", "eventPickLookup": "ei"},
         "--eventPickLookup: ei - unknown"),
    ],
)  # fmt: skip
def test_wrong_options_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.txt").write_text("154514 1\n154514 x\n")
    Path("other.txt").write_text("7 1\n")
    Path("some.txt").write_text("1 2 a.root\n1 3\n")
    with pytest.raises(InvalidRequest) as wrong:
        meaning(**options)
    assert words in str(wrong.value)
