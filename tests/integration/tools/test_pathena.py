"""`culm pathena` against a running server."""

from __future__ import annotations

from pathlib import Path

from tests.builders import a_dataset
from tests.integration.tools.conftest import Desk


def test_athena_task_is_submitted_with_the_newest_database(desk: Desk) -> None:
    data = a_dataset(desk.books, 4)
    for version in ("v050101", "v060101"):
        a_dataset(desk.books, 1, f"ddo.000001.Atlas.Ideal.DBRelease.{version}")
    words = ("--trf", "Reco_tf.py in=%IN db=%DB:LATEST out=%OUT.NTUP.root", "--inDS", data)
    code, out, _ = desk.does("pathena", *words, "--noSandbox")
    assert code == 0
    spec = desk.client.parameters(int(out))
    assert spec.inputs[1].datasets == ("ddo.000001.Atlas.Ideal.DBRelease.v060101",)
    assert (spec.command, spec.outputs) == (
        "Reco_tf.py in=%IN db=f000000.dat out=NTUP.root", ("NTUP.root",))  # fmt: skip
    assert desk.gets("pathena", *words, "--check", "--json")["jobs"]["n_jobs"] == 4


def test_picked_events_select_the_runs_datasets(desk: Desk) -> None:
    data = a_dataset(desk.books, 2, "data10.00154514.physics_X.recon.AOD.r733")
    Path("rrr.txt").write_text("154514 21179\n")
    asked = ("pathena", "jobO.py", "--eventPickEvtList", "rrr.txt", "--eventPickDataType", "AOD")
    assert desk.gets(*asked, "--dry-run")["inputs"][0]["datasets"] == [data]
    code, _, err = desk.does(*asked, "--noSandbox")
    assert code == 2
    assert "--eventPickEvtList: rrr.txt - must be among the files that are sent" in err


def test_faults_bear_the_options_of_pathena(desk: Desk) -> None:
    code, _, err = desk.does("pathena", "--trf", "x %OUT", "--split", "2")
    assert code == 2
    assert "--trf: %OUT - no output is declared" in err
    assert "next: culm pathena --help" in err
