"""Which files go along with a workflow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from culm.client.workflow_bundle import bundle_of
from culm.core.errors import InvalidRequest, TooLarge

TEXTS = {
    "main.cwl": "steps:\n  a: {run: sub/tool.cwl}\n  b:\n    run: 'b.cwl#x'\n  c: {run: prun, in: "
    "{opt_args: {default: '--loadJson conf.json'}}}\n  d: {run: ../secret.cwl}\n"
    "  e: {run: phpo, in: {opt_loadJson: {default: own.json}}}\n"
    '  f: {"run": "phpo", "in": {"opt_searchSpaceFile": {"default": "flow.json"}}}\n'
    "  g:\n    run: phpo\n    in:\n      opt_searchSpaceFile:\n        default: lines.json\n",
    "sub/tool.cwl": "requirements: [{$import: lib.yml}]\nrun: ../main.cwl\n",
    "sub/lib.yml": '{"$include": "lib.js"}',
    "sub/lib.js": "var x;",
    "b.cwl": "",
    "conf.json": '{"searchSpaceFile": "space.json",\n "segmentSpecFile" : "sub/parts.json"}',
    "space.json": "{}",
    "sub/parts.json": "[]",
    "own.json": "{}",
    "flow.json": "{}",
    "lines.json": "{}",
    "in.yaml": "n: 1",
    "unrelated.cwl": "",
    "key.pem": "",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    (work / "sub").mkdir(parents=True)
    for name, text in TEXTS.items():
        (work / name).write_text(text)
    (tmp_path / "secret.cwl").write_text("")
    return work


def test_what_documents_name_goes_along_and_nothing_else(folder: Path) -> None:
    bundle = bundle_of("user.a.x/", f"{folder}/main.cwl#main", f"{folder}/in.yaml", folder)
    assert (bundle.name, bundle.cwl, bundle.yaml) == ("user.a.x", "main.cwl#main", "in.yaml")
    assert set(bundle.files) == set(TEXTS) - {"unrelated.cwl", "key.pem"}


def test_link_out_of_the_directory_is_not_followed(folder: Path) -> None:
    (folder / "b.cwl").unlink()
    (folder / "b.cwl").symlink_to(folder.parent / "secret.cwl")
    assert "b.cwl" not in bundle_of("user.a.x", f"{folder}/main.cwl", "", folder).files


@pytest.mark.parametrize(
    ("cwl", "yaml", "words"),
    [
        ("nowhere.cwl", "", "--cwl: .*nowhere.cwl - no such file"),
        ("main.cwl", "nowhere.yaml", "--yaml: .*nowhere.yaml - no such file"),
        ("../secret.cwl", "", "must lie below .*: cd there, or give --workDir"),
        ("latin.cwl", "", "byte 0 - a text in UTF-8 is needed"),
    ],
)
def test_files_that_cannot_be_sent_are_named(folder: Path, cwl: str, yaml: str, words: str) -> None:
    (folder / "latin.cwl").write_bytes(b"\xe9")
    with pytest.raises(InvalidRequest) as caught:
        bundle_of("user.a.x", f"{folder}/{cwl}", f"{folder}/{yaml}" if yaml else "", folder)
    assert re.search(words, str(caught.value)), str(caught.value)


def test_file_that_is_too_big_is_named(folder: Path) -> None:
    (folder / "b.cwl").write_bytes(b"#" * (5 << 20))
    with pytest.raises(TooLarge, match=r"b\.cwl is over"):
        bundle_of("user.a.x", f"{folder}/main.cwl", "", folder)
