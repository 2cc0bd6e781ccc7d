"""The classifier: an image shows what its nearest neighbours show, near ones counting for more.

Its hyperparameters: `neighbours` have a vote each, of weight 1 / distance^`power`; before that
each pixel becomes its share 1 - `blur` and, for the rest, the mean of the four beside it.
"""

import csv
from collections import defaultdict
from heapq import nsmallest
from math import dist
from pathlib import Path

SIDE = 8

Image = tuple[tuple[float, ...], int]
"""The pixels, and the digit that was written."""


def read_images(path: str, blur: float) -> list[Image]:
    """The images of a file, blurred."""
    with Path(path).open(newline="") as stream:
        rows = [[int(value) for value in row] for row in csv.reader(stream)]
    return [(_blurred(row[:-1], blur), row[-1]) for row in rows]


def _blurred(pixels: list[int], blur: float) -> tuple[float, ...]:
    def at(row: int, column: int) -> int:
        inside = 0 <= row < SIDE and 0 <= column < SIDE
        return pixels[row * SIDE + column] if inside else 0

    beside = [
        at(row - 1, column) + at(row + 1, column) + at(row, column - 1) + at(row, column + 1)
        for row in range(SIDE)
        for column in range(SIDE)
    ]
    return tuple(
        (1 - blur) * own + blur * near / 4 for own, near in zip(pixels, beside, strict=True)
    )


def predict(known: list[Image], pixels: tuple[float, ...], point: dict[str, float]) -> int:
    """The digit with most votes; of several the smallest."""
    distances = ((dist(pixels, other), digit) for other, digit in known)
    votes: dict[int, float] = defaultdict(float)
    for distance, digit in nsmallest(int(point["neighbours"]), distances):
        votes[digit] += max(distance, 1e-6) ** -point["power"]
    return min(votes, key=lambda digit: (-votes[digit], digit))
