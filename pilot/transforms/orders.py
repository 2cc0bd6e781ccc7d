"""What the command line of a program for PanDA's pilot says.

The words are those of PanDA's own programs. Texts are quoted as in URLs, so that they come
unharmed through the pilot, which takes the line apart and puts it together again.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pilot.transforms.fetching import fetch

RUN, BUILD, MERGE, SEARCH = "runGen", "buildGen", "runMerge", "runHPO"
_COMMAND = {RUN: "-p", BUILD: "--bexec", MERGE: "-j", SEARCH: "-p"}
"""The option that holds the command to be run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What is to be done.

    `outputs` are names in the catalogue by local name or pattern; `inputs` and `logs` are in the
    job's directory when the program starts, and so is `lib`. `archive` and `files` are fetched.
    Where `builds` is not empty, all that is left becomes the lib file of that name.
    """

    command: str
    source_url: str
    archive: str = ""
    files: str = ""
    lib: str = ""
    inputs: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    outputs: dict[str, str]
    builds: str = ""
    max_lib_bytes: int | None = None
    result_name: str = ""
    image: str = ""


def orders_of(program: str, words: Sequence[str], here: Path) -> Orders:
    """The orders in a command line; a line that is too long is fetched.

    Raises:
        SystemExit: it cannot be read; standard error says why.
    """
    kind = program.partition("-")[0]
    if kind not in _COMMAND:
        raise SystemExit(f"{program} is none of {', '.join(_COMMAND)}")
    found = _parser(kind, program).parse_args(words)
    if found.argumentsFrom:
        fetch(f"{found.sourceURL}/cache/{found.argumentsFrom}", here / found.argumentsFrom)
        line = json.loads((here / found.argumentsFrom).read_text(encoding="utf-8"))
        return orders_of(program, [*line, "--sourceURL", found.sourceURL], here)
    builds = kind == BUILD
    return Orders(
        command=unquote(found.command),
        source_url=found.sourceURL,
        archive=found.input if builds else found.archive,
        files=found.files,
        lib=found.lib,
        inputs=() if builds else tuple(_literal(found.input, list)),
        logs=tuple(_literal(found.logs, list)),
        outputs={} if builds else _literal(found.output, dict),
        builds=found.output if builds else "",
        max_lib_bytes=found.maxLibBytes,
        result_name=found.resultFile,
        image=found.image,
    )


def _parser(kind: str, program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, allow_abbrev=False)
    parser.add_argument("--sourceURL", required=True)
    parser.add_argument("--argumentsFrom", default="")
    if kind != MERGE:
        # What PanDA's own programs take too, and needs nothing to be done.
        parser.add_argument("-j", dest="unused", default="")
    parser.add_argument("-r", dest="folder", default=".")
    parser.add_argument("-a", dest="archive", default="")
    parser.add_argument("-l", dest="lib", default="")
    parser.add_argument("-i", dest="input", default="")
    parser.add_argument("-o", dest="output", default="")
    parser.add_argument(_COMMAND[kind], dest="command", default="")
    parser.add_argument("--files", default="")
    parser.add_argument("--logs", default="")
    parser.add_argument("--resultFile", default="")
    # Not --containerImage: their pilot would take that away, and start what it knows itself.
    parser.add_argument("--image", default="")
    parser.add_argument("--maxLibBytes", type=int, default=None)
    return parser


def _literal(text: str, kind: type) -> Any:
    value = ast.literal_eval(text) if text else kind()
    if not isinstance(value, kind):
        raise SystemExit(f"{text[:80]} is not a {kind.__name__}")
    return value
