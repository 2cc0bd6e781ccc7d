"""Outputs of a workflow of CWL tools, brought to a folder as a CWL runner leaves them."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from culm.client.datasets import DatasetCalls
from culm.core.archives import extract
from culm.core.errors import FieldFault, InvalidRequest, NotFound
from culm.wire.workflows import MADE, SUBMITTED

_CLASSES = ("File", "Directory")


def bring_outputs(
    client: DatasetCalls, outputs: Mapping[str, Any], folder: Path, root: Path
) -> dict[str, Any]:
    """The output object with its files and directories in `folder`; names that clash get a number.

    `root` is the folder that was submitted: inputs may be outputs too.

    Raises:
        InvalidRequest: a place in it leads elsewhere.
        NotFound: a file that a step wrote is in the catalogue no more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="culm-") as scratch:
        bringer = _Bringer(client, folder.absolute(), root, Path(scratch))
        return {name: bringer.value(value) for name, value in outputs.items()}


@dataclass(slots=True)
class _Bringer:
    """Archives are fetched once, and each file is put in its place once."""

    client: DatasetCalls
    folder: Path
    root: Path
    scratch: Path
    placed: dict[tuple[str, str], Path] = field(default_factory=dict)

    def value(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.value(one) for one in value]
        if not isinstance(value, dict):
            return value
        if value.get("class") in _CLASSES:
            return self.node(value, self.folder)
        return {name: self.value(one) for name, one in value.items()}

    def node(self, node: Mapping[str, Any], folder: Path) -> dict[str, Any]:
        """A file or directory, put into a folder with its secondary files."""
        found = {k: v for k, v in node.items() if k not in ("listing", "contents")}
        target = self._put(node, folder)
        found |= {"location": f"file://{quote(str(target))}", "path": str(target)}
        found["basename"] = target.name
        if node["class"] == "File":
            found |= {"size": target.stat().st_size, "checksum": _checksum(target)}
            beside = node.get("secondaryFiles") or ()
            if beside:
                found["secondaryFiles"] = [self.node(one, folder) for one in beside]
        else:
            found["listing"] = [_described(path) for path in sorted(target.iterdir())]
        return found

    def _put(self, node: Mapping[str, Any], folder: Path) -> Path:
        key = (str(folder), str(node.get("location") or id(node)))
        if key not in self.placed:
            source = self._source(str(node.get("location") or ""))
            name = str(node.get("basename") or (source.name if source else "output"))
            target = _free(_below(folder, name))
            if source is None:
                self._make(node, target)
            elif node["class"] == "Directory":
                target.mkdir()
                if source.is_dir():
                    shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                shutil.copy(source, target)
            self.placed[key] = target
        return self.placed[key]

    def _make(self, node: Mapping[str, Any], target: Path) -> None:
        """A literal: a file that is its contents, a directory that is its listing."""
        if node["class"] == "File":
            target.write_text(str(node.get("contents") or ""), "utf-8")
            return
        target.mkdir()
        for one in node.get("listing") or ():
            self.node(one, target)

    def _source(self, location: str) -> Path | None:
        parts = urlsplit(location)
        if parts.scheme == MADE:
            task, _, path = parts.path.removeprefix("/").partition("/")
            return _below(self._unpacked(parts.netloc, task), unquote(path))
        if parts.scheme == "file" and parts.path.startswith(SUBMITTED):
            return _below(self.root, unquote(parts.path[len(SUBMITTED) :]))
        return None

    def _unpacked(self, dataset: str, task: str) -> Path:
        target = _below(self.scratch, task)
        if not target.is_dir():
            lfns = [one.lfn for one in self.client.files(dataset) if f".{task}._" in one.lfn]
            if not lfns:
                raise NotFound(f"dataset {dataset} has no file of task {task}")
            archive = self.client.download(dataset, lfns[0], self.scratch / "archives")
            target.mkdir()
            extract(archive, target)
        return target


def _below(folder: Path, name: str) -> Path:
    """A path in a folder: what a job says must not lead anywhere else.

    Raises:
        InvalidRequest: it would.
    """
    if name.startswith("/") or ".." in name.split("/") or not name:
        fault = FieldFault("location", ascii(name)[:80], "a path below its folder is needed")
        raise InvalidRequest("an output is not where it can be", faults=[fault])
    return folder / name


def _described(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {
        "class": "Directory" if path.is_dir() else "File",
        "location": f"file://{quote(str(path))}",
        "path": str(path),
        "basename": path.name,
    }
    if path.is_dir():
        return found | {"listing": [_described(one) for one in sorted(path.iterdir())]}
    return found | {"size": path.stat().st_size, "checksum": _checksum(path)}


def _checksum(path: Path) -> str:
    with path.open("rb") as stream:
        return f"sha1${hashlib.file_digest(stream, 'sha1').hexdigest()}"


def _free(path: Path) -> Path:
    """The path, or one beside it that is not taken (`a.txt`, `a.txt_2`)."""
    found, number = path, 1
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}_{number}")
    return found
