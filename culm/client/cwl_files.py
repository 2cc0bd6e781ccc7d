"""What a CWL document and its job order name on this machine: documents to read, files to send."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from culm.core.errors import FieldFault, InvalidRequest
from culm.wire.workflows import LONGEST_CONTENTS, MAX_DOCUMENT

_DOCUMENTS = ("run", "$import", "$include", "$mixin", "$schemas")
_FILES = ("File", "Directory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A process and its inputs with all that they name, by paths below the folder `root`."""

    root: Path
    main: str
    order: str
    documents: dict[str, str]
    files: tuple[tuple[str, Path], ...]


def named_by(document: str, order: Path | None) -> Named:
    """Everything that running a document with this job order needs from this machine.

    With a file go those beside it that are named by its name or stem: its secondary files.

    Raises:
        InvalidRequest: a file is not there, or a document is no text.
    """
    path, _, fragment = document.partition("#")
    found = _Found()
    for one in (Path(path), *([order] if order else [])):
        if not one.is_file():
            raise _missing(str(one), one)
        found.read(_whole(one))
    found.read_small()
    root = Path(os.path.commonpath([p.parent for p in (*found.texts, *found.files)]))

    def below(one: Path) -> str:
        return one.relative_to(root).as_posix()

    main = below(_whole(Path(path)))
    return Named(
        root=root,
        main=f"{main}#{fragment}" if fragment else main,
        order=below(_whole(order)) if order else "",
        documents={below(p): text for p, text in found.texts.items()},
        files=tuple((below(p), p) for p in sorted(found.files)),
    )


@dataclass(slots=True)
class _Found:
    """What was found so far, by whole paths; links are not followed, for names lead beside them."""

    texts: dict[Path, str] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    named: set[Path] = field(default_factory=set)

    def read(self, path: Path) -> None:
        """Take up a document and all that it names."""
        if path in self.texts:
            return
        self.texts[path] = text = _text(path)
        for key, reference in _references(_parsed(text)):
            target = _local(path, key, reference)
            if target is None:
                continue
            if key in _DOCUMENTS:
                if target.is_file() and target.stat().st_size <= MAX_DOCUMENT:
                    self.read(target)
            else:
                self._take(target, f"{path}: {reference}")

    def read_small(self) -> None:
        """Take up what expressions may want to see (`loadContents`): small texts that are named."""
        if any("loadContents" in text for text in self.texts.values()):
            for path in self.named - self.texts.keys():
                if path.stat().st_size <= LONGEST_CONTENTS:
                    with suppress(UnicodeDecodeError):
                        self.texts[path] = path.read_bytes().decode()

    def _take(self, target: Path, where: str) -> None:
        if target.is_dir():
            self.files |= {p for p in target.rglob("*") if p.is_file()}
        elif target.is_file():
            self.named.add(target)
            for one in _with_secondary(target):
                self.files |= {one} if one.is_file() else {p for p in one.rglob("*") if p.is_file()}
        else:
            raise _missing(where, target)


def _references(node: Any) -> Iterator[tuple[str, str]]:
    """Key and text of each reference in a document: to documents, and to files by `location`."""
    if isinstance(node, list):
        for one in node:
            yield from _references(one)
    if not isinstance(node, dict):
        return
    if node.get("class") in _FILES:
        for key in ("path", "location"):
            if isinstance(node.get(key), str):
                yield key, node[key]
                break
    for key, value in node.items():
        for one in value if key == "$schemas" and isinstance(value, list) else [value]:
            if key in _DOCUMENTS and isinstance(one, str):
                yield key, one
        yield from _references(value)


def _local(document: Path, key: str, reference: str) -> Path | None:
    """The path that a reference means; None if it is not of this machine."""
    if key == "path":
        return _whole(document.parent / reference)
    parts = urlsplit(reference)
    if parts.scheme not in ("", "file") or not parts.path:
        return None
    return _whole(document.parent / unquote(parts.path))


def _whole(path: Path) -> Path:
    return Path(os.path.normpath(path.absolute()))


def _with_secondary(path: Path) -> list[Path]:
    """A file with those beside it that bear its name or stem: `a.bam.bai`, `a.bai` with `a.bam`.

    Nothing else of the folder leaves this machine.
    """
    stem = f"{path.name.partition('.')[0]}."
    return [one for one in path.parent.iterdir()
            if one.name.startswith((path.name, stem) if len(stem) > 1 else path.name)]  # fmt: skip


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"{path} cannot be sent",
            faults=[FieldFault(str(path), f"byte {error.start}", "a text in UTF-8 is needed")],
        ) from error


def _parsed(text: str) -> Any:
    """What a document holds; None if it is no YAML, which whoever loads it will say better."""
    import yaml

    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def _missing(where: str, path: Path) -> InvalidRequest:
    fault = FieldFault(where, str(path), "no such file")
    return InvalidRequest("the inputs are not all there", faults=[fault])
