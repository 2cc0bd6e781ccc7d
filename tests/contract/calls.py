"""Calls of the command `culm` in this process, shut off as if each were a process of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import cast

import pytest

from culm.cli.main import run

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]


def in_this_process(environment: dict[str, str], folder: Path, *before: str) -> Run:
    """`culm` with words before those of a call; what it printed, and its exit code."""

    def call(*words: str, stdin: str = "", **changes: str) -> Done:
        out, err, given = _stream(), _stream(), _stream(stdin)
        with pytest.MonkeyPatch.context() as patch:
            _surround(patch, environment | changes, folder)
            patch.setattr(sys, "stdin", given)
            with redirect_stdout(out), redirect_stderr(err):
                code = _exit_code([*before, *words])
        return Done([*before, *words], code, _text(out), _text(err))

    return call


def _surround(patch: pytest.MonkeyPatch, environment: dict[str, str], folder: Path) -> None:
    for name in os.environ.keys() - environment.keys():
        patch.delenv(name)
    for name, value in environment.items():
        patch.setenv(name, value)
    patch.chdir(folder)


def _exit_code(words: list[str]) -> int:
    try:
        return run(words)
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)


def _stream(text: str = "") -> io.TextIOWrapper:
    """A stream as a process has it: text over bytes, no terminal."""
    return io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8", errors="backslashreplace")


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return cast("io.BytesIO", stream.buffer).getvalue().decode()
