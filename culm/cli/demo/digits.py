"""The demo's input: 1797 handwritten digits, cut into files as an experiment would have them."""

from __future__ import annotations

import gzip
from importlib.resources import files
from pathlib import Path

N_FILES = 18
DATA = files("culm.cli.demo") / "data" / "digits.csv.gz"


def write_files(folder: Path) -> list[Path]:
    """Write `digits.01.csv` … `digits.18.csv` into a folder and return them in order.

    The images keep their order; files differ by at most one image. A file that is there already
    is written again with the same bytes.
    """
    lines = gzip.decompress(DATA.read_bytes()).decode("ascii").splitlines(keepends=True)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"digits.{number + 1:02}.csv" for number in range(N_FILES)]
    for number, path in enumerate(paths):
        first, end = (len(lines) * step // N_FILES for step in (number, number + 1))
        path.write_text("".join(lines[first:end]), encoding="ascii")
    return paths
