"""Where the nodes of a graph go: in layers, each below those that it takes from. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from culm.wire.workflow_runs import GraphEdge

SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Box:
    """The middle of a node, and its size."""

    x: float
    y: float
    width: float
    height: float


def laid_out(
    widths: Mapping[str, float], edges: Sequence[GraphEdge], *, height: float, gap: float
) -> dict[str, Box]:
    """A box for each node (in an order in which parents come first), none over another.

    A node is one layer below its lowest parent. Within the layers the order follows the mean
    place of the neighbours, swept down and up some times, which takes most crossings away
    (Sugiyama, Tagawa, Toda 1981).
    """
    forward = [e for e in edges if not e.again and e.parent in widths and e.child in widths]
    layers = _layers(list(widths), forward)
    _order(layers, forward)
    whole = max((_width(layer, widths, gap) for layer in layers), default=0.0)
    boxes: dict[str, Box] = {}
    for number, layer in enumerate(layers):
        x = (whole - _width(layer, widths, gap)) / 2
        for node in layer:
            y = number * (height + 1.6 * gap) + height / 2
            boxes[node] = Box(x + widths[node] / 2, y, widths[node], height)
            x += widths[node] + gap
    return boxes


def _layers(nodes: Sequence[str], edges: Sequence[GraphEdge]) -> list[list[str]]:
    parents: dict[str, list[str]] = {node: [] for node in nodes}
    for edge in edges:
        parents[edge.child].append(edge.parent)
    depth: dict[str, int] = {}
    for node in nodes:
        depth[node] = max((depth.get(p, -1) + 1 for p in parents[node]), default=0)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in nodes:
        layers[depth[node]].append(node)
    return layers


def _order(layers: list[list[str]], edges: Sequence[GraphEdge]) -> None:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for edge in edges:
        above.setdefault(edge.child, []).append(edge.parent)
        below.setdefault(edge.parent, []).append(edge.child)
    for _ in range(SWEEPS):
        for neighbours, some in ((above, layers), (below, layers[::-1])):
            places = _places(layers)
            for layer in some:
                layer.sort(key=lambda node, n=neighbours, p=places: _mean(node, n, p))  # type: ignore[misc]
                places.update(_places([layer]))


def _places(layers: Sequence[Sequence[str]]) -> dict[str, float]:
    """The place of each node in its layer, from 0 to 1."""
    return {node: (i + 0.5) / len(layer) for layer in layers for i, node in enumerate(layer)}


def _mean(node: str, neighbours: Mapping[str, list[str]], places: Mapping[str, float]) -> float:
    around = [places[other] for other in neighbours.get(node, ())]
    return sum(around) / len(around) if around else places[node]


def _width(layer: Sequence[str], widths: Mapping[str, float], gap: float) -> float:
    return sum(widths[node] for node in layer) + gap * (len(layer) - 1)
