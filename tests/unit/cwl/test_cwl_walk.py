"""How a plan runs (documentation, 4.1.8): what starts when, with what, under which name."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cwl.endings import End
from cwl.outcomes import Outcome, Start, Status
from cwl.plan import Kind, Plan
from cwl.walk import Walk
from tests.cwl_scene import (
    PRODUCING,
    a_walk,
    a_workflow,
    bad,
    good,
    planned,
    prun,
    walk_to_the_end,
    well,
)

SAMPLES = {"signals": ["mc:s1", "s2"], "backgrounds": ["b1", "mc:b2"]}


def ids(starts: Any) -> list[str]:
    return [start.id for start in starts]


def options(start: Start) -> dict[str, Any]:
    assert start.task is not None
    return dict(start.task.options)


def test_chain_runs_step_by_step_with_documented_names() -> None:
    walk = a_walk(planned("simple_chain.cwl"))
    [top] = walk.advance()
    assert top.task is not None
    assert (top.id, top.task.datasets) == ("000_top", ("user.alice.w_000_top_seed.txt",))
    assert walk.advance() == ()
    [bottom] = walk.advance({"000_top": good()})
    assert (bottom.id, bottom.parents, bottom.beside) == ("001_bottom", ("000_top",), ())
    assert options(bottom) == {
        "exec": "echo %IN > results.root", "in_ds": "user.alice.w_000_top_seed.txt",
        "outputs": "results.root", "force_staged": True,
    }  # fmt: skip
    assert walk.advance({"001_bottom": good()}) == ()
    assert walk.ending is not None
    assert walk.ending.values == {"outDS": "user.alice.w_001_bottom"}


def test_child_starts_beside_a_parent_that_has_output() -> None:
    walk = a_walk(planned("simple_chain.cwl"))
    walk.advance()
    assert walk.advance({"000_top": Outcome(status=Status.STARTED)}) == ()
    [bottom] = walk.advance({"000_top": PRODUCING})
    assert (bottom.id, bottom.beside) == ("001_bottom", ("000_top",))
    assert walk.advance({"000_top": good(), "001_bottom": good()}) == ()
    assert walk.ended


def test_child_with_a_condition_waits_for_the_end() -> None:
    walk = a_walk(planned("cond.cwl"))
    walk.advance()
    assert walk.advance({"000_top": PRODUCING}) == ()
    assert ids(walk.advance({"000_top": good()})) == ["001_bottom_OK"]


@pytest.mark.parametrize(
    "steps",
    [
        prun("a") + prun("b") + prun("c", "opt_inDS: [a/outDS, b/outDS]"),
        prun("a") + prun("c", "opt_inDS: a/outDS", run="junction"),
    ],
    ids=["several parents", "a junction"],
)
def test_child_waits_for_the_end_of_its_parents(steps: str) -> None:
    walk = a_walk(planned(a_workflow(steps)))
    parents = ids(walk.advance())
    assert walk.advance(dict.fromkeys(parents, PRODUCING)) == ()
    assert [i[4:] for i in ids(walk.advance(dict.fromkeys(parents, good())))] == ["c"]


def test_failed_parent_is_no_input_for_a_child_with_a_condition() -> None:
    walk = a_walk(planned("cond.cwl"))
    walk.advance()
    [other] = walk.advance({"000_top": bad()})
    assert (other.id, options(other).get("in_ds")) == ("002_bottom_NG", None)
    walk.advance({"002_bottom_NG": good()})
    assert walk.ending is not None
    assert walk.ending.end is End.DONE
    assert walk.ending.values == {"outDS_NG": "user.alice.w_002_bottom_NG", "outDS_OK": None}


def test_child_without_condition_is_blocked_and_the_failure_named() -> None:
    walk = a_walk(planned("simple_chain.cwl"))
    walk.advance()
    assert walk.advance({"000_top": bad("no disk")}) == ()
    assert walk.ending is not None
    assert (walk.ending.end, walk.ending.reason) == (End.FAILED, "top: no disk")
    assert [(str(f), f.blocked) for f in walk.failures] == [
        ("simple_chain.cwl:12 top: no disk", False),
        ("simple_chain.cwl:20 bottom: its parent top failed", True),
    ]


def test_skipped_step_skips_what_lives_of_it_alone() -> None:
    steps = (
        prun("a") + prun("b", "opt_inDS: a/outDS").rstrip() + "\n    when: $(!self.opt_inDS)\n"
        + prun("c", "opt_inDS: b/outDS") + prun("d", "opt_inDS: [a/outDS, b/outDS]")
    )  # fmt: skip
    found = walk_to_the_end(walk := a_walk(planned(a_workflow(steps))))
    assert list(found) == ["000_a", "003_d"]
    assert options(found["003_d"])["in_ds"] == "user.alice.w_000_a_a.txt"
    assert walk.ending is not None
    assert walk.ending.end is End.DONE
    assert {p: s for p, _, s in walk.states()} == {
        "a": "succeeded", "b": "skipped", "c": "skipped", "d": "succeeded"}  # fmt: skip


def test_types_and_secondary_datasets_find_their_outputs() -> None:
    found = walk_to_the_end(a_walk(planned("sig_bg_comb.cwl"), signal="mc:sig", background="bg"))
    assert list(found) == ["000_make_signal", "001_make_background_1", "003_generate_some",
                           "002_premix", "004_make_background_2", "005_combine"]  # fmt: skip
    assert options(found["002_premix"])["in_ds"] == "user.alice.w_000_make_signal_def.zip"
    assert options(found["005_combine"])["secondary_dss"] == (
        "%IN2:2:user.alice.w_002_premix_klm.root,%IN3:5:user.alice.w_004_make_background_2_ooo.root"
    )
    assert found["005_combine"].parents == ("000_make_signal", "002_premix",
                                            "004_make_background_2")  # fmt: skip


def test_scatter_of_a_sub_workflow_is_merged_in_order() -> None:
    found = walk_to_the_end(walk := a_walk(planned("merge_many.cwl"), **SAMPLES))
    assert len(found) == 13
    assert options(found["001_make_background_1_1"])["in_ds"] == "mc:b2"
    assert found["005_combine_1"].path == "many_sig_bg_comb[1]/combine"
    assert options(found["006_merge"])["in_ds"] == (
        "user.alice.w_005_combine_0_aaa.root,user.alice.w_005_combine_1_aaa.root"
    )
    assert walk.ended


def test_failed_branch_is_named_with_its_number() -> None:
    walk = a_walk(planned("merge_many.cwl"), **SAMPLES)
    walk_to_the_end(walk, lambda s: bad("boom") if s.id == "000_make_signal_1" else well(s))
    assert walk.ending is not None
    assert walk.ending.reason == "many_sig_bg_comb: 1 of 2 branches failed; 1: make_signal: boom"
    assert [f.path for f in walk.failures if not f.blocked] == ["many_sig_bg_comb[1]/make_signal"]


def deciding(*decisions: dict[str, Any]) -> Any:
    """Junctions say these things in turn, for each loop."""

    def decide(start: Start) -> Outcome:
        if start.kind is not Kind.JUNCTION:
            return good()
        return good(**decisions[int(start.path.split("#")[1].split("/")[0])])

    return decide


def test_loop_repeats_with_new_parameters_until_its_junction_ends_it() -> None:
    walk = a_walk(planned("loop.cwl"))
    decide = deciding(
        {"param_xxx": 7, "to_terminate": False}, {"param_yyy": 0.5, "to_terminate": False},
        {"to_terminate": True},
    )  # fmt: skip
    found = walk_to_the_end(walk, decide)
    commands = [options(found[f"001_inner_work_top_{n}"])["exec"] for n in range(3)]
    assert commands == [f"echo %IN {x} > seed.txt" for x in (123, 7, 7)]
    assert options(found["002_inner_work_bottom_2"])["exec"] == "echo %IN 0.5 > results.root"
    # what is no parameter stays as it was
    assert options(found["001_inner_work_top_2"])["in_ds"] == "user.alice.w_000_work_start_seed.txt"
    assert options(found["004_work_end"])["in_ds"] == (
        "user.alice.w_002_inner_work_bottom_2_results.root"
    )
    assert walk.ended


def test_loop_over_scatter_slices_arrays_of_parameters() -> None:
    decide = deciding({"param_xxx": [1, 2], "to_terminate": False}, {"to_terminate": True})
    found = walk_to_the_end(a_walk(planned("sequential_loop.cwl"), signal="s"), decide)
    assert {i: options(s)["exec"] for i, s in found.items() if "core" in i} == {
        "000_core_0_0": "echo %IN 123 0.456 > seed.txt",
        "000_core_0_1": "echo %IN 456 0.866 > seed.txt",
        "000_core_1_0": "echo %IN 1 0.456 > seed.txt",
        "000_core_1_1": "echo %IN 2 0.866 > seed.txt",
    }


def test_scatter_over_loops_runs_each_as_long_as_it_needs() -> None:
    text = MENDED["multi_loop.cwl"]

    def decide(start: Start) -> Outcome:
        ends = "[0]" in start.path or "#1" in start.path
        return good(to_terminate=ends) if start.kind is Kind.JUNCTION else good()

    found = walk_to_the_end(walk := a_walk(planned(text), signals=["a", "b"]), decide)
    paths = [s.path for s in found.values() if s.kind is Kind.JUNCTION]
    assert paths == ["work_loop[0]#0/checkpoint", "work_loop[1]#0/checkpoint",
                     "work_loop[1]#1/checkpoint"]  # fmt: skip
    assert options(found["003_merge"])["in_ds"] == (
        "user.alice.w_001_inner_work_bottom_0_0_results.root,"
        "user.alice.w_001_inner_work_bottom_1_1_results.root"
    )
    assert walk.ended


def _mended(name: str, wrong: str, right: str) -> str:
    from tests.cwl_scene import DATA

    return (DATA / name).read_text().replace(wrong, right)


MENDED = {"multi_loop.cwl": _mended("multi_loop.cwl", "work_end/outDS", "merge/outDS")}


def test_loop_that_never_ends_is_stopped_with_words() -> None:
    hint = "hints: [{class: loop, maxIterations: 3}]"
    text = _mended("loop.cwl", "hints:\n      - loop", hint)
    walk = a_walk(planned(text))
    found = walk_to_the_end(walk, deciding(*[{"to_terminate": False}] * 3))
    assert sum(start.kind is Kind.JUNCTION for start in found.values()) == 3
    assert walk.ending is not None
    assert walk.ending.reason == "work_loop: work_loop: it did not end within 3 iterations"


@pytest.mark.parametrize("fails", [False, True])
def test_loop_with_a_condition_runs_or_is_skipped_as_a_whole(fails: bool) -> None:
    text = _mended("loop.cwl", "hints:", "when: $(self.dataset)\n    hints:")
    walk = a_walk(planned(text))
    decide = deciding({"to_terminate": False}, {"to_terminate": True})
    found = walk_to_the_end(walk, lambda s: bad() if fails and "start" in s.id else decide(s))
    assert len(found) == (1 if fails else 8)
    assert walk.ending is not None
    assert walk.ending.values == {"outDS": None if fails else "user.alice.w_004_work_end"}


def test_one_of_several_junctions_is_enough_to_end_a_loop() -> None:
    body = _mended("loop_body.cwl", "  checkpoint:\n", "  other:\n    run: junction\n    in:\n"
                   "      opt_inDS: inner_work_top/outDS\n      opt_exec: {default: x}\n"
                   "    out: []\n  checkpoint:\n")  # fmt: skip
    walk = a_walk(planned(_mended("loop.cwl", "loop_body.cwl", "b.cwl"), b_cwl=body))
    found = walk_to_the_end(
        walk,
        lambda s: good(to_terminate=s.step == "other") if s.kind is Kind.JUNCTION else good(),
    )
    assert walk.ended
    assert sum("#1" in start.path for start in found.values()) == 0


def test_search_takes_its_training_data_and_gives_its_metrics() -> None:
    found = walk_to_the_end(a_walk(planned("hpo.cwl")))
    search = found["001_main_hpo"]
    assert search.task is not None
    assert options(search) == {
        "training_ds": "user.alice.w_000_pre_proc_seed.txt", "seed": 1, "max_points": 4,
        "evaluation_exec": "python3 evaluate.py", "evaluation_metrics": "metrics.tgz",
        "search_space_file": "space.json", "n_parallel_evaluation": 2,
    }  # fmt: skip
    assert search.task.others == {"loadJson": "conf.json"}
    assert options(found["002_post_proc"])["in_ds"] == "user.alice.w_001_main_hpo_metrics.tgz"


SCATTER = """\
  s:
    run: prun
    scatter: [opt_exec, opt_inDS]
    scatterMethod: {method}
    in:
      opt_exec: a
      opt_inDS: b
      opt_args: {{default: "--outputs o"}}
    out: [outDS]
"""
HEAD = "inputs: {a: 'string[]', b: 'string[]?'}\noutputs: {o: {type: Any, outputSource: s/outDS}}"


@pytest.mark.parametrize(
    ("method", "a", "b", "expected"),
    [
        ("dotproduct", ["x", "y"], ["1", "2"], ["0", "1"]),
        ("flat_crossproduct", ["x", "y"], ["1", "2"], ["0", "1", "2", "3"]),
        ("nested_crossproduct", ["x", "y"], ["1", "2", "3"], [["0", "1", "2"], ["3", "4", "5"]]),
        ("dotproduct", [], [], []),
        ("flat_crossproduct", ["x", "y"], [], []),
        ("nested_crossproduct", ["x", "y"], [], [[], []]),
        ("nested_crossproduct", ["x", "y"], None, [[], []]),
    ],
)
def test_scatter_methods_give_lists_of_their_shape(
    method: str, a: list[str], b: list[str] | None, expected: list[Any]
) -> None:
    walk = a_walk(planned(a_workflow(SCATTER.format(method=method), head=HEAD)), a=a, b=b)
    walk_to_the_end(walk)
    assert walk.ending is not None

    def number(value: Any) -> Any:
        return [number(v) for v in value] if isinstance(value, list) else value.rpartition("_")[2]

    assert number(walk.ending.values["o"]) == expected


def test_lists_of_different_lengths_are_named() -> None:
    text = a_workflow(SCATTER.format(method="dotproduct"), head=HEAD)
    walk = a_walk(planned(text), a=["x"], b=["1", "2"])
    walk.advance()
    assert [str(f) for f in walk.failures] == [
        "main.cwl:6 s: dotproduct needs lists of the same length: opt_exec has 1, opt_inDS has 2"
    ]


def test_scatter_over_far_too_much_is_refused() -> None:
    text = a_workflow(SCATTER.format(method="flat_crossproduct"), head=HEAD)
    walk = a_walk(planned(text), a=["x"] * 1000, b=["1"] * 1000)
    walk.advance()
    assert [f.reason for f in walk.failures] == [
        "it would have 1000000 branches; at most 100000 are taken"
    ]


def test_scatter_of_ten_thousand_starts_all_at_once() -> None:
    text = a_workflow(SCATTER.format(method="dotproduct"), head=HEAD)
    names = [f"d{n}" for n in range(10_000)]
    walk = a_walk(planned(text), a=["echo %IN"] * 10_000, b=names)
    starts = walk.advance()
    assert len({start.id for start in starts}) == 10_000
    assert walk.advance({start.id: good() for start in starts}) == ()
    assert walk.ended


def test_long_chain_is_walked_without_a_deep_stack() -> None:
    steps = prun("s0") + "".join(prun(f"s{n}", f"opt_inDS: s{n - 1}/outDS") for n in range(1, 60))
    plan = planned(a_workflow(steps))
    first = a_walk(plan)
    done = walk_to_the_end(first)
    again = a_walk(plan)
    assert again.advance({ident: good() for ident in done}) == ()
    assert again.ended
    assert len(done) == 60


@cache
def plans() -> list[tuple[Plan, dict[str, Any]]]:
    """Plans of every kind, with inputs."""
    diamond = (
        prun("a") + prun("b", "opt_inDS: a/outDS") + prun("c", "opt_inDS: b/outDS")
        + prun("d", "opt_inDS: [a/outDS, c/outDS]").rstrip() + "\n    when: $(self.opt_inDS)\n"
    )  # fmt: skip
    return [
        (planned("simple_chain.cwl"), {}), (planned("cond.cwl"), {}), (planned("hpo.cwl"), {}),
        (planned("loop.cwl"), {}), (planned("merge_many.cwl"), SAMPLES),
        (planned("sequential_loop.cwl"), {"signal": "s"}),
        (planned(MENDED["multi_loop.cwl"]), {"signals": ["a", "b", "c"]}),
        (planned(a_workflow(diamond)), {}),
    ]  # fmt: skip


def _next_word(start: Start, known: Outcome, chance: random.Random) -> Outcome:
    """A step further for an instance; how it ends depends on its id alone."""
    fate = random.Random(start.id)
    if known.status is Status.STARTED and chance.random() < 0.5:
        return PRODUCING
    if fate.random() < 0.15:
        return bad()
    if start.kind is Kind.JUNCTION:
        return good(to_terminate=fate.random() < 0.4 or "#2" in start.path, param_xxx=[5, 6])
    return good()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 7), st.integers(0, 10**6))
def test_walk_begun_again_from_any_prefix_is_where_it_was(number: int, seed: int) -> None:
    plan, inputs = plans()[number]
    chance = random.Random(seed)
    walk = a_walk(plan, **inputs)
    booked: dict[str, Outcome] = {}
    running: dict[str, Start] = {}
    fresh_starts = walk.advance()
    while True:
        # A caller that died before it booked these starts gets the same again, and no other.
        again = a_walk(plan, **inputs)
        assert by_id(again.advance(booked)) == by_id(fresh_starts)
        assert again.ended == walk.ended
        assert sorted(again.states()) == sorted(walk.states())
        assert not booked.keys() & {start.id for start in fresh_starts}
        booked |= {start.id: Outcome(status=Status.STARTED) for start in fresh_starts}
        running |= {start.id: start for start in fresh_starts}
        if not running:
            break
        start = chance.choice(list(running.values()))
        booked[start.id] = told = _next_word(start, booked[start.id], chance)
        if told.status is not Status.PRODUCING:
            del running[start.id]
        fresh_starts = walk.advance(booked)
    assert walk.ended


def by_id(starts: tuple[Start, ...]) -> dict[str, Start]:
    return {start.id: start for start in starts}


def test_walk_forgets_no_end_for_a_late_word() -> None:
    walk: Walk = a_walk(planned("simple_chain.cwl"))
    walk.advance()
    walk.advance({"000_top": good()})
    walk.advance({"000_top": PRODUCING})
    walk.advance({"000_top": bad(), "001_bottom": good()})
    assert walk.ending is not None
    assert walk.ending.end is End.DONE
