"""The report: one HTML page with the losses of the search and the confusion matrix of its best.

usage: report.py POINTS CONFUSION.JSON CONFUSION.SVG REPORT
"""

import json
import sys
from html import escape
from itertools import accumulate
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, EDGE = 640, 260, 46


def losses_as_svg(losses: list[float]) -> str:
    """Each point's loss in order, and a line for the least so far."""
    top = max(losses) * 1.1 or 1.0
    step = (WIDTH - 2 * EDGE) / max(len(losses) - 1, 1)

    def at(number: int, loss: float) -> tuple[float, float]:
        return EDGE + number * step, HEIGHT - EDGE - loss / top * (HEIGHT - 2 * EDGE)

    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#0d6e7a"/>'
        for x, y in (at(*one) for one in enumerate(losses))
    )
    line = " ".join(
        f"{x:.1f},{y:.1f}" for x, y in (at(*one) for one in enumerate(accumulate(losses, min)))
    )
    base = HEIGHT - EDGE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" role="img">'
        f"<title>Losses of the search</title>"
        f'<path d="M{EDGE} {EDGE}V{base}H{WIDTH - EDGE}" fill="none" stroke="#66727f"/>'
        f'<polyline points="{line}" fill="none" stroke="#c93e2c"/>{dots}'
        f'<text x="{EDGE}" y="{EDGE - 12}">misread in cross-validation, up to {top:.1%}</text>'
        f'<text x="{EDGE}" y="{HEIGHT - 16}">points, in the order in which they were made</text>'
        "</svg>"
    )


def page(points: dict[str, Any], confusion: dict[str, Any], picture: str) -> str:
    """The whole report."""
    best = points["best"]
    chosen = "".join(
        f"<tr><td>{escape(name)}</td><td>{value:.4g}</td></tr>"
        for name, value in best["point"].items()
    )
    losses = [one["loss"] for one in points["points"]]
    return (
        '<!doctype html><meta charset="utf-8"><title>Digits</title>'
        "<style>body{font-family:sans-serif;margin:2em}td{padding-right:2em}</style>"
        "<h1>Handwritten digits: a classifier and its hyperparameters</h1>"
        f"<p>{len(losses)} points were tried. The best one misread {best['loss']:.2%} in "
        f"cross-validation, and {1 - confusion['accuracy']:.2%} of {confusion['n_images']} images "
        f"that it had not seen.</p><table>{chosen}</table>"
        f"<figure>{losses_as_svg(losses)}</figure><figure>{picture}</figure>\n"
    )


if __name__ == "__main__":
    tried, merged = (json.loads(Path(name).read_text()) for name in sys.argv[1:3])
    Path(sys.argv[4]).write_text(page(tried, merged, Path(sys.argv[3]).read_text()))
