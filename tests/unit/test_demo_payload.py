"""The demo's payload scripts, run as a job runs them, against scikit-learn on the same split."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from culm.cli.demo import digits

PAYLOAD = Path(digits.__file__).parent / "payload"


def run(folder: Path, script: str, *arguments: str) -> str:
    """Run a payload script in a folder and give its output."""
    argv = [sys.executable, "-S", str(PAYLOAD / script), *arguments]
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all jobs of the demo have run."""
    folder = tmp_path_factory.mktemp("demo")
    names = [path.name for path in digits.write_files(folder)]
    for name in names:
        run(folder, "classify.py", name, ",".join(names), f"found.{name}.json")
    found = ",".join(sorted(path.name for path in folder.glob("found.*.json")))
    run(folder, "merge.py", found, "confusion.json")
    run(folder, "picture.py", "confusion.json", "confusion.svg")
    return folder


def test_eighteen_files_hold_every_image_once(tmp_path: Path) -> None:
    paths = digits.write_files(tmp_path)
    sizes = [len(path.read_text().splitlines()) for path in paths]
    assert len(paths) == 18
    assert sum(sizes) == 1797
    assert set(sizes) == {99, 100}


def test_the_table_is_scikit_learns(tmp_path: Path) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    table = datasets.load_digits()
    ours = [
        [int(value) for value in line.split(",")]
        for path in digits.write_files(tmp_path)
        for line in path.read_text().splitlines()
    ]
    assert [row[:64] for row in ours] == table.data.astype(int).tolist()
    assert [row[64] for row in ours] == table.target.tolist()


def test_every_prediction_is_scikit_learns(done: Path) -> None:
    """No tie falls differently on this data: both give the smaller digit for equal votes."""
    neighbors = pytest.importorskip("sklearn.neighbors")
    tables = {path.name: _table(path) for path in sorted(done.glob("digits.*.csv"))}
    for name, (images, _) in tables.items():
        rest = [table for other, table in tables.items() if other != name]
        known = [row for rows, _ in rest for row in rows]
        labels = [label for _, values in rest for label in values]
        classifier = neighbors.KNeighborsClassifier(n_neighbors=3, algorithm="brute")
        theirs = classifier.fit(known, labels).predict(images).tolist()
        assert json.loads((done / f"found.{name}.json").read_text())["predicted"] == theirs, name


def test_the_merged_accuracy_counts_all_images(done: Path) -> None:
    found = json.loads((done / "confusion.json").read_text())
    assert (found["n_files"], found["n_images"], found["n_correct"]) == (18, 1797, 1765)
    assert found["accuracy"] == pytest.approx(1765 / 1797)
    assert len(found["mistakes"]) == 1797 - 1765


def test_the_picture_is_a_document_that_names_the_accuracy(done: Path) -> None:
    text = (done / "confusion.svg").read_text(encoding="utf-8")
    assert ET.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "98.22%" in text


def test_a_file_is_not_classified_by_itself(tmp_path: Path) -> None:
    """Alone with itself a file would be right everywhere; without others nothing is known."""
    one = ",".join(["0"] * 64)
    (tmp_path / "a.csv").write_text(f"{one},1\n")
    (tmp_path / "b.csv").write_text(f"{one},2\n")
    run(tmp_path, "classify.py", "a.csv", "a.csv,b.csv", "out.json")
    assert json.loads((tmp_path / "out.json").read_text())["predicted"] == [2]


def _table(path: Path) -> tuple[list[list[int]], list[int]]:
    rows = [[int(value) for value in line.split(",")] for line in path.read_text().splitlines()]
    return [row[:64] for row in rows], [row[64] for row in rows]
