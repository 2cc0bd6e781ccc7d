"""A steering program of one's own: half of its points anywhere, half near the best one so far.

usage: steer.py N_POINTS IN OUT
"""

import json
import random
import sys
from pathlib import Path

n_points, source, target = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
given = json.loads(source.read_text())
space = {name: entry["dimension"] for name, entry in given["opt_space"].items()}
tried = [(loss, point) for point, loss in given["points"] if loss is not None]
# Seeded, so that a round that is run again makes the same points.
chance = random.Random(len(given["points"]))  # noqa: S311


def anywhere() -> dict[str, float]:
    """A point drawn evenly."""
    return {name: chance.uniform(to["low"], to["high"]) for name, to in space.items()}


def near(best: dict[str, float]) -> dict[str, float]:
    """A point beside another, the nearer, the more were tried."""
    width = {name: (to["high"] - to["low"]) / (4 + len(tried)) for name, to in space.items()}
    moved = {name: best[name] + chance.gauss(0, width[name]) for name in space}
    return {name: min(max(moved[name], to["low"]), to["high"]) for name, to in space.items()}


points = []
for number in range(n_points):
    best = min(tried, key=lambda pair: pair[0])[1] if tried else None
    points.append(near(best) if best and number % 2 else anywhere())
target.write_text(json.dumps(points))
