"""A confusion matrix as SVG: counts, the share found of each digit, and every mistake made.

    picture.py IN OUT [HOW]

IN is the document that `merge.py` wrote, OUT the picture, HOW what it says of the way in which it
was found. Standard library only.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

CELL, LEFT, TOP = 52, 92, 128
SIDE = 10 * CELL
WIDTH = LEFT + SIDE + 128
THUMB, THUMB_STEP_X, THUMB_STEP_Y, THUMBS_A_ROW = 40, 54, 72, 12
INK, MUTED, PAPER = "#1c2733", "#66727f", "#ffffff"
LOW, RIGHT, WRONG = (243, 246, 249), (13, 110, 122), (201, 62, 44)
STYLE = (
    "text{font-family:Inter,'Helvetica Neue',Arial,sans-serif;fill:" + INK + "}"
    ".m{fill:" + MUTED + "}.t{font-size:13px}.c{font-size:15px;text-anchor:middle}"
)


def draw(found: dict[str, Any], how: str = "") -> str:
    """The picture as one SVG document; `how` the digits were read, if not as in the demo."""
    mistakes, matrix = found["mistakes"], found["matrix"]
    height = TOP + SIDE + 76 + THUMB_STEP_Y * ceil(len(mistakes) / THUMBS_A_ROW)
    parts = [*_head(found, how), *_axes(), *_cells(matrix), *_shares(matrix), *_gallery(mistakes)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img">'
        f"<title>Confusion matrix of handwritten digits</title><style>{STYLE}</style>"
        f'<rect width="100%" height="100%" fill="{PAPER}"/>' + "".join(parts) + "</svg>\n"
    )


def _text(x: float, y: float, words: str, css: str = "t", more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{css}"{more}>{words}</text>'


def _head(found: dict[str, Any], how: str) -> Iterator[str]:
    yield _text(
        LEFT,
        40,
        "Handwritten digits, read by their neighbours",
        "",
        ' font-size="22" font-weight="600"',
    )
    how = how or f"{found['n_files']} files, each against the others, k = 3"
    words = (
        f"{found['n_correct']} of {found['n_images']} images right: {found['accuracy']:.2%} · {how}"
    )
    yield _text(LEFT, 66, words, "t m")


def _axes() -> Iterator[str]:
    middle = LEFT + SIDE / 2
    yield _text(middle, TOP - 34, "read as", "c m")
    turned = f' transform="rotate(-90 34 {TOP + SIDE / 2:g})"'
    yield _text(34, TOP + SIDE / 2, "written", "c m", turned)
    yield _text(LEFT + SIDE + 54, TOP - 12, "found", "c m")
    for digit in range(10):
        centre = digit * CELL + CELL / 2
        yield _text(LEFT + centre, TOP - 12, str(digit), "c", ' font-weight="600"')
        yield _text(LEFT - 20, TOP + centre + 5, str(digit), "c", ' font-weight="600"')


def _cells(matrix: list[list[int]]) -> Iterator[str]:
    most_right = max(1, *(matrix[d][d] for d in range(10)))
    most_wrong = max((matrix[t][p] for t in range(10) for p in range(10) if t != p), default=0)
    for truth, row in enumerate(matrix):
        for guess, count in enumerate(row):
            right = truth == guess
            depth = count / most_right if right else 0.25 + 0.75 * count / max(most_wrong, 1)
            yield _cell(truth, guess, count, _mix(RIGHT if right else WRONG, depth if count else 0))


def _cell(truth: int, guess: int, count: int, colour: tuple[int, int, int]) -> str:
    x, y = LEFT + guess * CELL, TOP + truth * CELL
    box = (
        f'<rect x="{x + 1}" y="{y + 1}" width="{CELL - 2}" height="{CELL - 2}" rx="5" '
        f'fill="rgb{colour}"/>'
    )
    if not count:
        return box
    ink = PAPER if sum(colour) < 420 else INK
    return box + _text(x + CELL / 2, y + CELL / 2 + 5, str(count), "c", f' style="fill:{ink}"')


def _mix(full: tuple[int, int, int], depth: float) -> tuple[int, int, int]:
    r, g, b = (round(low + (high - low) * depth) for low, high in zip(LOW, full, strict=True))
    return (r, g, b)


def _shares(matrix: list[list[int]]) -> Iterator[str]:
    for digit, row in enumerate(matrix):
        share = row[digit] / sum(row) if sum(row) else 0.0
        y = TOP + digit * CELL + CELL / 2 + 5
        yield _text(LEFT + SIDE + 54, y, f"{share:.1%}", "c")


def _gallery(mistakes: list[dict[str, Any]]) -> Iterator[str]:
    top = TOP + SIDE + 44
    if mistakes:
        yield _text(
            LEFT - 32, top, f"The {len(mistakes)} that were misread (written → read as)", "t m"
        )
    for number, mistake in enumerate(mistakes):
        row, column = divmod(number, THUMBS_A_ROW)
        yield _thumb(LEFT - 32 + column * THUMB_STEP_X, top + 16 + row * THUMB_STEP_Y, mistake)


def _thumb(x: float, y: float, mistake: dict[str, Any]) -> str:
    dot = THUMB / 8
    ink = "".join(
        f'<rect x="{x + place % 8 * dot:g}" y="{y + place // 8 * dot:g}" width="{dot:g}" '
        f'height="{dot:g}" fill-opacity="{value / 16:.2f}"/>'
        for place, value in enumerate(mistake["pixels"])
        if value
    )
    frame = (
        f'<rect x="{x - 2:g}" y="{y - 2:g}" width="{THUMB + 4}" height="{THUMB + 4}" rx="5" '
        f'fill="rgb{LOW}"/>'
    )
    words = f"{mistake['truth']} → {mistake['predicted']}"
    label = _text(x + THUMB / 2, y + THUMB + 16, words, "c", ' style="font-size:12px"')
    return f'{frame}<g fill="{INK}" shape-rendering="crispEdges">{ink}</g>{label}'


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(draw(document, *sys.argv[3:4]), encoding="utf-8")
