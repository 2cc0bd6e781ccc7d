"""Pictures of workflows: rails in the terminal, boxes in layers as SVG."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

from culm.cli.graph_layout import laid_out
from culm.cli.graph_rails import drawn
from culm.cli.graph_svg import picture
from culm.wire.workflow_runs import GraphEdge, GraphNode, WorkflowGraph


def edges(*pairs: str) -> list[GraphEdge]:
    return [GraphEdge(parent=pair[0], child=pair[1]) for pair in pairs]


def lines(nodes: str, *pairs: str) -> list[str]:
    return [f"{line.rails} {line.node}".rstrip() for line in drawn(list(nodes), edges(*pairs))]


def test_chain_is_one_rail() -> None:
    assert lines("abc", "ab", "bc") == ["● a", "│", "● b", "│", "● c"]


def test_rails_part_and_meet() -> None:
    assert lines("abcd", "ab", "ac", "bd", "cd") == [
        "● a",
        "│",
        "├─● b",
        "│ │",
        "● │ c",
        "│ │",
        "●─╯ d",
    ]


def test_rails_that_pass_are_crossed() -> None:
    assert lines("abcde", "ae", "bd", "be", "cd") == [
        "● a",
        "│",
        "│ ● b",
        "│ │",
        "│ │ ● c",
        "│ │ │",
        "│ ├─● d",
        "│ │",
        "●─╯ e",
    ]
    assert lines("abcd", "ad", "bd", "cd")[-1] == "●─┴─╯ d"


def test_way_back_is_no_rail() -> None:
    back = [*edges("ab"), GraphEdge(parent="b", child="a", again=True)]
    assert [line.rails for line in drawn(["a", "b"], back)] == ["●", "│", "●"]


def test_boxes_lie_below_their_parents_and_apart() -> None:
    layout = laid_out(dict.fromkeys("abcd", 80.0), edges("ab", "ac", "bd", "ad"), height=40, gap=20)
    boxes = layout.boxes
    assert boxes["a"].y < boxes["b"].y == boxes["c"].y < boxes["d"].y
    (point,) = layout.ways["a", "d"]
    middles = sorted([boxes["b"].x, boxes["c"].x, point.x])
    assert all(right - left > 40 for left, right in pairwise(middles))


def test_picture_is_well_formed_and_shows_names_as_they_are() -> None:
    nodes = (
        GraphNode(path="<a>&b", kind="prun", place="w.cwl:1", counts={"done": 2, "failed": 1}),
        GraphNode(path="c\x1b[31m", kind="junction", place="w.cwl:2", is_loop=True),
    )
    graph = WorkflowGraph(
        nodes=nodes,
        edges=(
            GraphEdge(parent="<a>&b", child="c\x1b[31m"),
            GraphEdge(parent="c\x1b[31m", child="<a>&b", again=True),
        ),
    )
    root = ElementTree.fromstring(picture("user.alice.w", graph))
    texts = ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["user.alice.w", "<a>&b", "2 done, 1 failed", r"c\x1b[31m ↻", "not started"]
    assert len(list(root.iter("{http://www.w3.org/2000/svg}path"))) == 3


def test_empty_workflow_has_a_picture() -> None:
    ElementTree.fromstring(picture("w", WorkflowGraph(nodes=(), edges=())))
