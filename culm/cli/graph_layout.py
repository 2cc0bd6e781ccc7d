"""Where the nodes of a graph go: in layers, each below those that it takes from. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from culm.wire.workflow_runs import GraphEdge

SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Box:
    """The middle of a node, and its size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Boxes by node, and for arrows that pass layers the points between them that they go by."""

    boxes: Mapping[str, Box]
    ways: Mapping[tuple[str, str], Sequence[Box]]


def laid_out(
    widths: Mapping[str, float], edges: Sequence[GraphEdge], *, height: float, gap: float
) -> Layout:
    """A box for each node (in an order in which parents come first), none over another.

    A node is one layer below its lowest parent; an arrow that passes layers has a place of its own
    in each. Within the layers the order follows the mean place of the neighbours, swept down and
    up some times, which takes most crossings away (Sugiyama, Tagawa, Toda 1981).
    """
    forward = [(e.parent, e.child) for e in edges
               if not e.again and e.parent in widths and e.child in widths]  # fmt: skip
    layers = _layers(list(widths), forward)
    ways = _passing(layers, forward)
    sizes = {**dict.fromkeys((point for way in ways.values() for point in way), gap / 2), **widths}
    _order(layers, [step for edge in forward for step in _steps(edge, ways)])
    whole = max((_width(layer, sizes, gap) for layer in layers), default=0.0)
    boxes: dict[str, Box] = {}
    for number, layer in enumerate(layers):
        x = (whole - _width(layer, sizes, gap)) / 2
        for node in layer:
            y = number * (height + 1.6 * gap) + height / 2
            boxes[node] = Box(x + sizes[node] / 2, y, sizes[node], height)
            x += sizes[node] + gap
    return Layout(
        {node: boxes[node] for node in widths},
        {edge: [boxes[point] for point in way] for edge, way in ways.items()},
    )


_Edge = tuple[str, str]


def _layers(nodes: Sequence[str], edges: Sequence[_Edge]) -> list[list[str]]:
    parents: dict[str, list[str]] = {node: [] for node in nodes}
    for parent, child in edges:
        parents[child].append(parent)
    depth: dict[str, int] = {}
    for node in nodes:
        depth[node] = max((depth.get(p, -1) + 1 for p in parents[node]), default=0)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    for node in nodes:
        layers[depth[node]].append(node)
    return layers


def _passing(layers: list[list[str]], edges: Sequence[_Edge]) -> dict[_Edge, list[str]]:
    """Give each arrow a place in the layers that it passes; gives these places."""
    depth = {node: number for number, layer in enumerate(layers) for node in layer}
    ways: dict[_Edge, list[str]] = {}
    for parent, child in edges:
        way = []
        for number in range(depth[parent] + 1, depth[child]):
            way.append(f"{parent}\n{child}\n{number}")
            layers[number].append(way[-1])
        if way:
            ways[parent, child] = way
    return ways


def _steps(edge: _Edge, ways: Mapping[_Edge, list[str]]) -> list[_Edge]:
    points = [edge[0], *ways.get(edge, ()), edge[1]]
    return list(pairwise(points))


def _order(layers: list[list[str]], edges: Sequence[_Edge]) -> None:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for parent, child in edges:
        above.setdefault(child, []).append(parent)
        below.setdefault(parent, []).append(child)
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
