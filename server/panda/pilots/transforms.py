"""The programs that PanDA's pilot fetches by URL and runs: one file, packed from our own pilot's.

They are read by path: nothing here imports the pilot (docs/decisions/0015).
"""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

RUN, BUILD, MERGE, SEARCH = (
    "runGen-00-00-02", "buildGen-00-00-01", "runMerge-00-00-02", "runHPO-00-00-01"
)  # fmt: skip
NAMES = (RUN, BUILD, MERGE, SEARCH)
HOME = "http://pandaserver-doma.cern.ch:25080/trf/user"
"""Where their pilot believes to fetch from: the only address of this kind that 3.7 accepts. A
site leads it to its own server (docs/how-to/panda-pilot.md).
"""
FOLDER = "/trf/user"
_HOUSE = Path(__file__).resolve().parents[3]
_NEEDED = (
    "culm/core/__init__.py", "culm/core/archives.py", "culm/core/errors.py", "culm/core/images.py",
    "culm/core/names.py",
    "culm/wire/__init__.py", "culm/wire/error_codes.py", "culm/wire/secrets.py",
    "pilot/__init__.py",
)  # fmt: skip
_SHEBANG = b"#!/usr/bin/env python3\n"
_MADE = (1980, 1, 1, 0, 0, 0)
"""The same files give the same bytes: zip knows no earlier time."""


@cache
def program() -> bytes:
    """The program, for each of the names: by its name it knows what it is to do."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in _NEEDED:
            _add(archive, name, (_HOUSE / name).read_bytes())
        for path in sorted((_HOUSE / "pilot" / "transforms").glob("*.py")):
            _add(archive, f"pilot/transforms/{path.name}", path.read_bytes())
        # Not culm/__init__.py: that one is the user's side and loads the client.
        _add(archive, "culm/__init__.py", b"")
        main = _HOUSE / "pilot" / "transforms" / "__main__.py"
        _add(archive, "__main__.py", main.read_bytes())
    return _SHEBANG + packed.getvalue()


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _MADE), content, zipfile.ZIP_DEFLATED)
