"""Makes `pilot.pyz`, one file that runs where Python is: `python -m pilot.bundle OUT`.

It holds the pilot, `culm.core`, `culm.wire` and what these need, taken from the environment that
runs this, so nothing is downloaded. Compiled parts (psutil) make it one for this platform. When
it first runs it unpacks itself below `~/.shiv`, or `$SHIV_ROOT`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

NEEDS = ("httpx", "psutil", "fsspec", "typer")
LEFT_OUT = frozenset({"rich", "markdown-it-py", "mdurl", "pygments"})
"""Typer names them, but does without: a pilot's help needs no colours."""

_HOUSE = Path(__file__).resolve().parents[1]
_OURS = ("pilot", "culm/core", "culm/wire")


def main() -> None:
    """Build the file that the command line names."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit("usage: python -m pilot.bundle OUT")
    build(Path(sys.argv[1]))


def build(out: Path) -> None:
    """Write the zipapp to `out`.

    Raises:
        subprocess.CalledProcessError: shiv failed; it has said why.
    """
    with tempfile.TemporaryDirectory() as folder:
        staged = Path(folder) / "site-packages"
        staged.mkdir()
        for name in sorted(_with_their_needs(NEEDS)):
            _stage(distribution(name), staged)
        for ours in _OURS:
            shutil.copytree(_HOUSE / ours, staged / ours, ignore=_compiled)
        # Not culm/__init__.py: that one is the user's side and loads the client.
        (staged / "culm" / "__init__.py").write_text('"""The parts of Culm that a pilot uses."""\n')
        command = [
            sys.executable,
            "-m",
            "shiv",
            "--site-packages",
            str(staged),
            "--reproducible",
            "--compressed",
            "-p",
            "/usr/bin/env python3",
            "-e",
            "pilot.__main__:main",
        ]
        subprocess.run([*command, "-o", str(out)], check=True)


def _compiled(_: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "__pycache__"]


def _with_their_needs(names: tuple[str, ...]) -> set[str]:
    """These distributions and all that they need here, by normalised name."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in found and name not in LEFT_OUT and _is_installed(name):
            found.add(name)
            waiting.extend(_needs_of(distribution(name)))
    return found


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        # Needed on another platform or Python only.
        return False
    return True


def _needs_of(package: Distribution) -> Iterator[str]:
    from packaging.requirements import Requirement

    for line in package.requires or ():
        needed = Requirement(line)
        if needed.marker is None or needed.marker.evaluate({"extra": ""}):
            yield needed.name.lower().replace("_", "-")


def _stage(package: Distribution, staged: Path) -> None:
    for file in package.files or ():
        # Scripts and data lie outside of the packages, behind "..".
        if ".." in file.parts or "__pycache__" in file.parts:
            continue
        target = staged / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(file.locate()), target)


if __name__ == "__main__":
    main()
