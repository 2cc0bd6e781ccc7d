"""What `culm cwl-runner` sends, and where it puts what came."""

from __future__ import annotations

import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from culm.client.cwl_files import named_by
from culm.client.cwl_outputs import bring_outputs
from culm.core.errors import InvalidRequest


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_what_documents_and_job_order_name_is_sent_and_nothing_else(tmp_path: Path) -> None:
    write(
        tmp_path,
        flows__w_cwl="steps: {a: {run: ../tools/t.cwl}, b: {run: '#x'}}\n",
        tools__t_cwl="inputs: {x: {default: {class: File, location: d.txt}}}\n"
        "lib: {$include: l.js}",
        tools__l_js="var a;", tools__d_txt="d",
        jobs__in_yml="{b: {class: File, path: ../data/a.bam}, "
        "d: {class: Directory, location: ../data/dir}, h: {class: File, location: 'http://x/y'}}",
        data__a_bam="", data__a_bam_bai="", data__a_bai="", data__ab_txt="", data__other_txt="",
        data__dir__sub__f_txt="",
    )  # fmt: skip
    found = named_by(f"{tmp_path}/flows/w.cwl#main", tmp_path / "jobs" / "in.yml")
    assert (found.root, found.main, found.order) == (tmp_path, "flows/w.cwl#main", "jobs/in.yml")
    assert set(found.documents) == {"flows/w.cwl", "tools/t.cwl", "tools/l.js", "jobs/in.yml"}
    assert [name for name, _ in found.files] == [
        "data/a.bai", "data/a.bam", "data/a.bam.bai", "data/dir/sub/f.txt", "tools/d.txt",
    ]  # fmt: skip


def test_small_texts_go_with_documents_where_expressions_may_want_to_see_them(
    tmp_path: Path,
) -> None:
    order = "".join(f"{n}: {{class: File, path: {n}.txt}}\n" for n in ("small", "large", "odd"))
    write(tmp_path, t_cwl="inputs: {f: {loadContents: true}}", u_cwl="inputs: []", in_yml=order,
          small_txt="s\r\n", large_txt="x" * 70_000)  # fmt: skip
    (tmp_path / "odd.txt").write_bytes(b"\xff")
    found = named_by(f"{tmp_path}/t.cwl", tmp_path / "in.yml")
    assert set(found.documents) == {"t.cwl", "in.yml", "small.txt"}
    assert len(found.files) == 3
    assert set(named_by(f"{tmp_path}/u.cwl", tmp_path / "in.yml").documents) == {"u.cwl", "in.yml"}


def test_file_that_is_missing_is_named_with_who_names_it(tmp_path: Path) -> None:
    write(tmp_path, t_cwl="inputs: []\n", in_yml="a: {class: File, path: none.txt}\n")
    with pytest.raises(InvalidRequest, match=r"in\.yml: none\.txt.*no such file"):
        named_by(f"{tmp_path}/t.cwl", tmp_path / "in.yml")
    with pytest.raises(InvalidRequest, match="no such file"):
        named_by(f"{tmp_path}/other.cwl", None)


class Catalogue:
    """Holds one archive, of task 7."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.n_fetched = folder, 0

    def files(self, name: str) -> list[Any]:
        return [SimpleNamespace(lfn="user.a.7._000001.cwl_files.tgz")] if name == "d" else []

    def download(self, name: str, lfn: str, directory: Path) -> Path:
        del name
        self.n_fetched += 1
        directory.mkdir()
        (self.folder / "x.txt").write_text("x")
        with tarfile.open(directory / lfn, "w:gz") as archive:
            for member in ("x.txt", "sub/y.txt"):
                archive.add(self.folder / "x.txt", member)
        return directory / lfn


def a_node(location: str, kind: str = "File", **more: Any) -> dict[str, Any]:
    return {"class": kind, "location": location, **more}


def test_outputs_are_put_side_by_side_and_described(tmp_path: Path) -> None:
    catalogue: Any = Catalogue(tmp_path)
    (tmp_path / "mine.txt").write_text("mine")
    outputs = {
        "a": a_node("culm://d/7/x.txt", basename="x.txt",
                    secondaryFiles=[a_node("culm://d/7/sub/y.txt", basename="x.txt")]),
        "b": [a_node("culm://d/7/sub", "Directory", basename="sub")],
        "c": {"record": a_node("file:///culm-bundle/mine.txt", basename="mine.txt")},
        "d": {"class": "File", "basename": "l.txt", "contents": "literal"},
        "n": 3,
    }  # fmt: skip
    out = tmp_path / "out"
    found = bring_outputs(catalogue, outputs, out, tmp_path)
    assert catalogue.n_fetched == 1
    names = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert names == ["l.txt", "mine.txt", "sub/y.txt", "x.txt", "x.txt_2"]
    assert (found["n"], found["a"]["size"]) == (3, 1)
    assert found["a"]["checksum"] == "sha1$11f6ad8ec52a2984abaafd7c3b516503785c2072"
    assert found["a"]["secondaryFiles"][0]["basename"] == "x.txt_2"
    assert [one["basename"] for one in found["b"][0]["listing"]] == ["y.txt"]
    assert Path(found["c"]["record"]["path"]).read_text() == "mine"
    assert Path(found["d"]["path"]).read_text() == "literal"


@pytest.mark.parametrize("node", [
    a_node("culm://d/7/x.txt", basename="../x.txt"),
    a_node("culm://d/7/../../x", basename="x"),
    a_node("culm://d/7/%2e%2e/x", basename="x"),
    a_node("file:///culm-bundle/../x", basename="x"),
])  # fmt: skip
def test_place_that_leads_elsewhere_is_refused(tmp_path: Path, node: dict[str, Any]) -> None:
    catalogue: Any = Catalogue(tmp_path)
    with pytest.raises(InvalidRequest, match="a path below its folder"):
        bring_outputs(catalogue, {"a": node}, tmp_path / "out", tmp_path)
