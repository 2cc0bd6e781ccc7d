"""The best point of a search, tried on images that nobody has seen yet.

usage: best.py METRICS,... TRAIN TEST FOUND POINTS

FOUND becomes a document as the demo's classify.py writes it, POINTS all points and the best one.
"""

import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from model import predict, read_images


def read_points(path: str) -> Iterator[dict[str, Any]]:
    """What the points of one job told: its tarball holds one of each."""
    with tarfile.open(path) as job:
        for name in sorted(job.getnames()):
            with tarfile.open(fileobj=job.extractfile(name)) as archive:
                yield json.loads(archive.extractfile("point.json").read())


metrics, train, test, found, points = sys.argv[1:]
tried = [point for path in sorted(metrics.split(",")) for point in read_points(path)]
best = min(tried, key=lambda one: one["loss"])
known = read_images(train, best["point"]["blur"])
asked = read_images(test, best["point"]["blur"])
plain = read_images(test, 0.0)
truth = [digit for _, digit in asked]
predicted = [predict(known, pixels, best["point"]) for pixels, _ in asked]
mistakes = [
    {"truth": digit, "predicted": guess, "pixels": [round(value) for value in pixels]}
    for (pixels, digit), guess in zip(plain, predicted, strict=True)
    if guess != digit
]
document = {"file": test, "truth": truth, "predicted": predicted, "mistakes": mistakes}
Path(found).write_text(json.dumps(document))
Path(points).write_text(json.dumps({"points": tried, "best": best}))
