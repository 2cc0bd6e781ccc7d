"""A workflow's graph as an SVG picture."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from culm.cli.graph_labels import counts_of, marks_of, status_of
from culm.cli.graph_layout import Box, Layout, laid_out
from culm.cli.render import safe
from culm.wire.workflow_runs import GraphEdge, GraphNode, WorkflowGraph

HEIGHT, GAP, MARGIN, TOP = 44.0, 28.0, 24.0, 56.0
LETTER = 7.4
"""The width of a letter of 13 pixels, generously."""
FILLS = {
    "": ("#f4f5f7", "#9aa3ad"),
    "submitted": ("#e8f1fb", "#3f7fc1"),
    "producing": ("#dcebfa", "#2f6fb1"),
    "waiting": ("#fdf6e0", "#b98a1c"),
    "done": ("#e6f4ea", "#3c8b52"),
    "finished": ("#fdf1da", "#b98a1c"),
    "failed": ("#fbe6e6", "#b8383b"),
    "aborted": ("#fbe6e6", "#b8383b"),
    "unused": ("#f4f5f7", "#9aa3ad"),
}
"""Fill and stroke by status."""


def picture(title: str, graph: WorkflowGraph) -> str:
    """The picture: boxes in layers, arrows from parents to children, dashed ways back."""
    nodes = {node.path: node for node in graph.nodes}
    widths = {path: _width(node) for path, node in nodes.items()}
    layout = laid_out(widths, graph.edges, height=HEIGHT, gap=GAP)
    boxes = layout.boxes
    right = max((box.x + box.width / 2 for box in boxes.values()), default=0.0)
    bottom = max((box.y + box.height / 2 for box in boxes.values()), default=0.0)
    back = 60.0 if any(edge.again for edge in graph.edges) else 0.0
    width = max(right + back, len(title) * LETTER * 1.2) + 2 * MARGIN
    height = bottom + TOP + MARGIN
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="sans-serif">',
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
        'markerHeight="8" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="#6b7480"/></marker>'
        "</defs>",
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="{MARGIN}" y="30" font-size="16" font-weight="600">{_text(title)}</text>',
        f'<g transform="translate({MARGIN},{TOP})">',
        *(_arrow(edge, layout, right) for edge in graph.edges
          if edge.parent in boxes and edge.child in boxes),
        *(line for path, box in boxes.items() for line in _box(nodes[path], box)),
        "</g>", "</svg>", "",
    ])  # fmt: skip


def _width(node: GraphNode) -> float:
    return max(len(_name(node)) * LETTER, len(counts_of(node)) * LETTER * 0.85) + 24


def _name(node: GraphNode) -> str:
    marks = marks_of(node)
    return f"{node.path} {marks}" if marks else node.path


def _box(node: GraphNode, box: Box) -> Iterator[str]:
    fill, stroke = FILLS.get(status_of(node), FILLS[""])
    dash = ' stroke-dasharray="5 4"' if node.has_condition else ""
    yield f"<g><title>{_text(f'{node.path} ({node.kind}) {node.place}')}</title>"
    yield (
        f'<rect x="{box.x - box.width / 2:.1f}" y="{box.y - box.height / 2:.1f}" '
        f'width="{box.width:.1f}" height="{box.height:.1f}" rx="7" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="1.4"{dash}/>'
    )
    yield _words(box.x, box.y - 4, 13, "#1f2933", _name(node))
    yield _words(box.x, box.y + 13, 11, stroke, counts_of(node)) + "</g>"


def _words(x: float, y: float, size: int, colour: str, words: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="middle" '
        f'fill="{colour}">{_text(words)}</text>'
    )


def _arrow(edge: GraphEdge, layout: Layout, right: float) -> str:
    start, end = layout.boxes[edge.parent], layout.boxes[edge.child]
    if edge.again:
        return _way_back(start, end, right + 34)
    x, y = start.x, start.y + start.height / 2
    way = f"M{x:.1f},{y:.1f}"
    for point in layout.ways.get((edge.parent, edge.child), ()):
        way += _curve(x, y, point.x, point.y - point.height / 2)
        x, y = point.x, point.y + point.height / 2
        way += f" L{x:.1f},{y:.1f}"
    return _path(way + _curve(x, y, end.x, end.y - end.height / 2 - 2))


def _curve(x1: float, y1: float, x2: float, y2: float) -> str:
    bend = (y2 - y1) / 2
    return f" C{x1:.1f},{y1 + bend:.1f} {x2:.1f},{y2 - bend:.1f} {x2:.1f},{y2:.1f}"


def _way_back(start: Box, end: Box, x: float) -> str:
    x1, x2 = start.x + start.width / 2, end.x + end.width / 2 + 2
    return _path(
        f"M{x1:.1f},{start.y:.1f} C{x:.1f},{start.y:.1f} {x:.1f},{end.y:.1f} {x2:.1f},{end.y:.1f}",
        ' stroke-dasharray="4 4"',
    )


def _path(way: str, more: str = "") -> str:
    return (
        f'<path d="{way}" fill="none" stroke="#6b7480" stroke-width="1.2" '
        f'marker-end="url(#arrow)"{more}/>'
    )


def _text(words: str) -> str:
    return escape(safe(words))
