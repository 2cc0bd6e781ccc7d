"""A graph as lines of text: one row a node, rails from parents to children. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from culm.wire.workflow_runs import GraphEdge

NODE, DOWN = "●", "│"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the drawing; `node` is empty where only rails go down."""

    rails: str
    node: str = ""


@dataclass(slots=True)
class _Lanes:
    """Columns of rails: each belongs to a parent that has children still to come."""

    owners: list[str | None] = field(default_factory=list)
    left: dict[str, set[str]] = field(default_factory=dict)

    def place(self, node: str, parents: Sequence[str]) -> tuple[int, dict[int, bool]]:
        """The lane of a node; and those of its parents, with whether they go on."""
        joined: dict[int, bool] = {}
        for lane, owner in enumerate(self.owners):
            if owner in parents and owner is not None:
                self.left[owner].discard(node)
                joined[lane] = bool(self.left[owner])
        ending = [lane for lane, goes_on in joined.items() if not goes_on]
        for lane in ending:
            self.owners[lane] = None
        lane = ending[0] if ending else self._free()
        return lane, joined

    def take(self, lane: int, node: str, children: set[str]) -> None:
        """Let the node's rail begin, if it has children."""
        if children:
            self.owners[lane], self.left[node] = node, children
        while self.owners and self.owners[-1] is None:
            self.owners.pop()

    def _free(self) -> int:
        for lane, owner in enumerate(self.owners):
            if owner is None:
                return lane
        self.owners.append(None)
        return len(self.owners) - 1


def drawn(nodes: Sequence[str], edges: Iterable[GraphEdge]) -> Iterator[Line]:
    """The lines of a graph whose nodes come after their parents; ways back are left out."""
    parents: dict[str, list[str]] = {node: [] for node in nodes}
    children: dict[str, set[str]] = {node: set() for node in nodes}
    for edge in edges:
        if not edge.again and edge.parent in children and edge.child in parents:
            parents[edge.child].append(edge.parent)
            children[edge.parent].add(edge.child)
    lanes = _Lanes()
    for number, node in enumerate(nodes):
        lane, joined = lanes.place(node, parents[node])
        yield Line(_row(lanes.owners, lane, joined), node)
        lanes.take(lane, node, children[node])
        if lanes.owners and number + 1 < len(nodes):
            yield Line(" ".join(DOWN if owner else " " for owner in lanes.owners))


def _row(owners: Sequence[str | None], lane: int, joined: dict[int, bool]) -> str:
    first, last = min([lane, *joined]), max([lane, *joined])
    row = ""
    for column, owner in enumerate(owners):
        inside = first <= column <= last
        row += _cross(column, lane, joined, inside=inside, taken=owner is not None)
        row += "─" if first <= column < last else " "
    return row.rstrip()


def _cross(column: int, lane: int, joined: dict[int, bool], *, inside: bool, taken: bool) -> str:
    if column == lane:
        return NODE
    if column in joined:
        first, last = min([lane, *joined]), max([lane, *joined])
        signs = ("├", "┼", "┤") if joined[column] else ("╰", "┴", "╯")
        return signs[0] if column == first else signs[2] if column == last else signs[1]
    if inside:
        return "┼" if taken else "─"
    return DOWN if taken else " "
