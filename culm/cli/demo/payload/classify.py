"""One job of the demo: name the digits of one file by their nearest neighbours in the others.

    classify.py IN ALL OUT

IN is the file to classify, ALL the comma-separated files to learn from (IN itself, if it is among
them, is left out), OUT the JSON document that is written. Standard library only: a worker node
needs nothing but Python.

Neighbours at the same distance count in the order of the files and of the lines in them; of
digits with as many votes the smallest wins (as scikit-learn's KNeighborsClassifier does).
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from heapq import nsmallest
from math import dist
from pathlib import Path

N_NEIGHBOURS = 3
N_PIXELS = 64

Image = tuple[tuple[int, ...], int]
"""The pixels, and the digit that was written."""


def read_images(path: Path) -> list[Image]:
    """The images of one file, in its order."""
    with path.open(newline="") as stream:
        rows = [[int(value) for value in row] for row in csv.reader(stream)]
    return [(tuple(row[:N_PIXELS]), row[N_PIXELS]) for row in rows]


def classify(pixels: tuple[int, ...], known: list[Image]) -> int:
    """The digit that most of the nearest known images show."""
    # Rounded squares are whole numbers: images equally far away compare as equal.
    distances = (
        (round(dist(pixels, other) ** 2), place, digit)
        for place, (other, digit) in enumerate(known)
    )
    votes = Counter(digit for _, _, digit in nsmallest(N_NEIGHBOURS, distances))
    return min(votes, key=lambda digit: (-votes[digit], digit))


def main(own: Path, others: list[Path], out: Path) -> None:
    """Classify the images of `own` and write what was found, mistakes with their pixels."""
    known = [image for path in others if path.name != own.name for image in read_images(path)]
    images = read_images(own)
    predicted = [classify(pixels, known) for pixels, _ in images]
    mistakes = [
        {"truth": truth, "predicted": guess, "pixels": list(pixels)}
        for (pixels, truth), guess in zip(images, predicted, strict=True)
        if guess != truth
    ]
    result = {
        "file": own.name,
        "truth": [truth for _, truth in images],
        "predicted": predicted,
        "mistakes": mistakes,
    }
    out.write_text(json.dumps(result))
    summary = {"n_images": len(images), "n_mistakes": len(mistakes)}
    Path("userJobMetadata.json").write_text(json.dumps(summary))
    print(f"{own.name}: {len(images)} images, {len(mistakes)} mistakes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2].split(",")], Path(sys.argv[3]))
