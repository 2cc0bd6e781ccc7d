"""The graph of a plan: sub-workflows unfolded, links followed through them, ways back."""

from __future__ import annotations

import pytest

from tasks.workflows.graph import declared_path, graph_of
from tests.cwl_scene import planned


def arrows(cwl: str) -> list[str]:
    edges = graph_of(planned(cwl)).edges.values()
    return sorted(f"{e.parent} {'~>' if e.again else '->'} {e.child}" for e in edges)


def test_links_lead_through_sub_workflows_to_the_steps_behind() -> None:
    assert arrows("merge_many.cwl") == [
        "many_sig_bg_comb/combine -> merge",
        "many_sig_bg_comb/generate_some -> many_sig_bg_comb/make_background_2",
        "many_sig_bg_comb/make_background_1 -> many_sig_bg_comb/premix",
        "many_sig_bg_comb/make_background_2 -> many_sig_bg_comb/combine",
        "many_sig_bg_comb/make_signal -> many_sig_bg_comb/combine",
        "many_sig_bg_comb/make_signal -> many_sig_bg_comb/premix",
        "many_sig_bg_comb/premix -> many_sig_bg_comb/combine",
    ]


@pytest.mark.parametrize(
    ("cwl", "ways_back"),
    [
        ("loop.cwl", ["work_loop/checkpoint ~> work_loop/inner_work_top"]),
        ("sequential_loop.cwl", ["seq_loop/checkpoint ~> seq_loop/parallel_work/core"]),
    ],
)
def test_loop_leads_back_from_its_junction(cwl: str, ways_back: list[str]) -> None:
    assert [arrow for arrow in arrows(cwl) if "~>" in arrow] == ways_back


def test_parents_come_first_and_marks_are_inherited() -> None:
    graph = graph_of(planned("sequential_loop.cwl"))
    places = {path: number for number, path in enumerate(graph.nodes)}
    assert all(places[e.parent] < places[e.child] for e in graph.edges.values() if not e.again)
    core = graph.nodes["seq_loop/parallel_work/core"]
    assert (core.is_scattered, core.is_loop, core.has_condition) == (True, True, False)


@pytest.mark.parametrize(
    ("path", "declared"),
    [("a", "a"), ("l#12/b[3]/c", "l/b/c"), ("a[0]#1", "a"), ("a_1/b#0", "a_1/b")],
)
def test_path_without_branches_and_iterations(path: str, declared: str) -> None:
    assert declared_path(path) == declared
