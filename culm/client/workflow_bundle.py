"""Which files a workflow is: its documents, and what they name below the directory."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from culm.core.errors import FieldFault, InvalidRequest, TooLarge
from culm.core.units import format_size
from culm.wire.workflows import MAX_DOCUMENT, WorkflowBundle

MAX_BUNDLE = 12 << 20
"""The most bytes of all documents together."""

_NAMED = re.compile(
    r"""(?:\brun|\$import|\$include|\$mixin)["']?\s*:\s*["']?([^\s"',{}\[\]#]+)"""
    r"""|(?:--(?:loadJson|searchSpaceFile|segmentSpecFile)[\s=]+["']?"""
    r"""|(?:\bopt_loadJson|(?:\bopt_|["'])(?:searchSpaceFile|segmentSpecFile))["']?\s*:\s*"""
    r"""(?:\{?\s*["']?default["']?\s*:\s*)?["']?)([^\s"',{}\[\]]+)"""
)
"""What a document may name: other documents, and the files of a search.

Those are named in `opt_args`, by an input of their own (`opt_loadJson: {default: conf.json}`), or
in the file of `--loadJson` (`"searchSpaceFile": "space.json"`).
"""


def bundle_of(name: str, cwl: str, yaml: str, directory: Path | str = ".") -> WorkflowBundle:
    """The workflow in a file, with everything that it names below a directory.

    `cwl` may name a part of a file (`tools.cwl#main`). Nothing above the directory is sent, a
    link that leads there included; the server says where that is missing.

    Raises:
        InvalidRequest: a file is not there, not below the directory, or no text.
        TooLarge: it is too much.
    """
    root = Path(directory).resolve()
    if not root.is_dir():
        raise InvalidRequest(f"--workDir {directory}: no such directory")
    path, _, fragment = cwl.partition("#")
    main = _below(root, Path(path), "--cwl")
    order = _below(root, Path(yaml), "--yaml") if yaml else ""
    files: dict[str, str] = {}
    open_names = [main, *([order] if order else [])]
    size = 0
    while open_names:
        found = open_names.pop()
        if found in files:
            continue
        files[found] = _text(root, found)
        size += len(files[found])
        if size > MAX_BUNDLE:
            raise TooLarge(f"the workflow's documents are over {format_size(MAX_BUNDLE)}")
        open_names += _named(root, found, files[found])
    whole = f"{main}#{fragment}" if fragment else main
    return WorkflowBundle(name=name.strip().removesuffix("/"), cwl=whole, yaml=order, files=files)


def _below(root: Path, path: Path, option: str) -> str:
    """The name of a file in the bundle."""
    if not path.is_file():
        raise _wrong(option, str(path), "no such file")
    real = path.resolve()
    if not real.is_relative_to(root):
        raise _wrong(option, str(path), f"must lie below {root}: cd there, or give --workDir")
    return real.relative_to(root).as_posix()


def _named(root: Path, name: str, text: str) -> Iterator[str]:
    """The files of the directory that a document names."""
    for match in _NAMED.finditer(text):
        reference = match[1] or match[2]
        # As for `culm hpo`, files of a search are looked for where it is submitted.
        folder = root if match[2] else (root / name).parent
        path = Path(os.path.normpath(folder / reference))
        if path.is_relative_to(root) and path.is_file() and path.resolve().is_relative_to(root):
            yield path.relative_to(root).as_posix()


def _text(root: Path, name: str) -> str:
    path = root / name
    try:
        with path.open("rb") as file:
            body = file.read(MAX_DOCUMENT + 1)
        if len(body) > MAX_DOCUMENT:
            raise TooLarge(f"{name} is over {format_size(MAX_DOCUMENT)}")
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _wrong(name, f"byte {error.start}", "a text in UTF-8 is needed") from error
    except OSError as error:
        raise _wrong(name, type(error).__name__, f"cannot be read: {error.strerror}") from error


def _wrong(field: str, found: str, needed: str) -> InvalidRequest:
    return InvalidRequest(
        "the workflow cannot be sent", faults=[FieldFault(field, found, needed)],
        hint="culm chain --help",
    )  # fmt: skip
