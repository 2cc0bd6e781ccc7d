"""Which processes an installation on one machine is made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from culm.cli.installation import Extent, parts
from culm.core.settings import load_settings


@pytest.mark.parametrize(
    ("extent", "names"),
    [
        (Extent(), ["server", "prefect", "daemon", "pilot-1"]),
        (Extent(prefect=False, pilots=2), ["server", "daemon", "pilot-1", "pilot-2"]),
        (Extent(prefect=False, pilots=0), ["server", "daemon"]),
        (Extent(prefect=False, pilots=2, slots=3, harvester=True),
         ["server", "daemon", "harvester"]),
    ],
)  # fmt: skip
def test_parts_of_an_installation(tmp_path: Path, extent: Extent, names: list[str]) -> None:
    settings = load_settings({"data_dir": tmp_path}, {"HOME": str(tmp_path)}, tmp_path)
    found = parts(settings, extent)
    assert [part.name for part in found] == names
    if extent.harvester:
        words = " ".join(found[-1].argv)
        assert "--queue LOCAL" in words
        assert "--cores 6 --keep 1" in words
