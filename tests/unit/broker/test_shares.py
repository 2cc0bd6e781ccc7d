"""Global shares (panda-docs 14.1, 14.4; spec/broker.md, Global shares)."""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.shares import MOST_STEPS, Share, ShareTree, Waiting, n_served_before, scaled, serve
from culm.core.errors import InvalidRequest


def a_tree(**weights: float) -> list[Share]:
    """Shares by name; `a__b` is b below a."""
    return [
        Share(name=n.split("__")[-1], parent=n.rpartition("__")[0] or None, weight=w)
        for n, w in weights.items()
    ]  # fmt: skip


GRID = a_tree(
    production=60, production__mc=75, production__reprocessing=25,
    analysis=35, default=5,
)  # fmt: skip


@st.composite
def trees(draw: st.DrawFn) -> list[Share]:
    """Any tree of up to three levels that adds up."""
    shares: list[Share] = []

    def family(parent: str | None, depth: int) -> None:
        size = draw(st.integers(1, 4))
        parts = draw(st.lists(st.integers(1, 100), min_size=size, max_size=size))
        names = [f"s{len(shares) + i}" for i in range(size)]
        if parent is None:
            names[-1] = "default"
        for name, part in zip(names, parts, strict=True):
            weight = 100 * part / sum(parts)
            shares.append(Share(name=name, weight=weight, parent=parent))
        for name in names:
            if name != "default" and depth < 2 and draw(st.booleans()):
                family(name, depth + 1)

    family(None, 0)
    return shares


@given(trees())
def test_targets_of_the_leaves_sum_to_one(shares: list[Share]) -> None:
    tree = ShareTree(shares)
    assert isclose(sum(tree.targets[leaf] for leaf in tree.leaves), 1.0)
    assert tree.totals(tree.targets) == pytest.approx(tree.targets)


@given(trees(), st.data())
def test_unused_share_is_conserved(shares: list[Share], data: st.DataObject) -> None:
    tree = ShareTree(shares)
    amounts = st.floats(0, 2) | st.just(0.0)
    wanted = {leaf: data.draw(amounts) for leaf in tree.leaves}
    due = tree.due(wanted)
    total = sum(due[leaf] for leaf in tree.leaves)
    assert isclose(total, min(1.0, sum(wanted.values())), abs_tol=1e-9)
    assert all(due[leaf] <= wanted[leaf] + 1e-9 for leaf in tree.leaves)
    assert tree.totals(due) == pytest.approx(due, abs=1e-9)
    for leaf in tree.leaves:  # nobody gets less than its own part while it could use it
        assert due[leaf] >= min(tree.targets[leaf], wanted[leaf]) - 1e-9


@given(trees(), st.data())
def test_renamed_shares_are_served_in_the_same_way(
    shares: list[Share], data: st.DataObject
) -> None:
    tree = ShareTree(shares)
    used = {leaf: data.draw(st.integers(0, 50)) for leaf in tree.leaves}
    new = {s.name: s.name if s.name == "default" else f"z{s.name}" for s in shares}
    other = ShareTree([
        Share(name=new[s.name], weight=s.weight, parent=s.parent and new[s.parent]) for s in shares
    ])  # fmt: skip
    renamed = other.standings({new[n]: float(u) for n, u in used.items()}, {})
    before = tree.standings({n: float(u) for n, u in used.items()}, {})
    assert [(s.target, s.due, s.used) for s in renamed] == [
        (s.target, s.due, s.used) for s in before]  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "due"),
    [
        # everybody wants all: the targets
        ({"mc": 1, "reprocessing": 1, "analysis": 1, "default": 1}, (0.45, 0.15, 0.35, 0.05)),
        # 14.1: what mc leaves is its sibling's first, and nothing comes to the level above
        ({"mc": 0.1, "reprocessing": 1, "analysis": 1, "default": 1}, (0.1, 0.5, 0.35, 0.05)),
        # then it goes up: analysis and default have it by their weights
        ({"mc": 0.1, "reprocessing": 0.1, "analysis": 1, "default": 1}, (0.1, 0.1, 0.7, 0.1)),
        ({"mc": 0, "reprocessing": 0, "analysis": 1, "default": 0}, (0, 0, 1, 0)),
        ({"mc": 0.2, "reprocessing": 0.1, "analysis": 0.1, "default": 0}, (0.2, 0.1, 0.1, 0)),
        ({"mc": 0, "reprocessing": 0, "analysis": 0, "default": 0}, (0, 0, 0, 0)),
    ],
)
def test_unused_share_goes_to_siblings_first_then_up(
    wanted: dict[str, float], due: tuple[float, ...]
) -> None:
    tree = ShareTree(GRID)
    found = tree.due(wanted)
    assert tuple(round(found[leaf], 9) for leaf in tree.leaves) == due


def test_share_of_weight_zero_gets_only_what_the_others_leave() -> None:
    tree = ShareTree(a_tree(a=100, default=0))
    assert tree.due({"a": 0.7, "default": 1.0}) == pytest.approx({"a": 0.7, "default": 0.3})
    assert tree.due({"a": 1.0, "default": 1.0}) == {"a": 1.0, "default": 0.0}


QUEUED = dict.fromkeys(("mc", "reprocessing", "analysis", "default"), 1e6)


@pytest.mark.parametrize(
    ("used", "queued", "order"),
    [
        # nothing runs: the greatest target first
        ({}, QUEUED, ("mc", "analysis", "reprocessing", "default")),
        # 14.4: the one furthest below its target, in HS06
        ({"mc": 450, "reprocessing": 150, "analysis": 340, "default": 60}, QUEUED,
         ("analysis", "mc", "reprocessing", "default")),
        ({"mc": 900, "reprocessing": 0, "analysis": 100, "default": 0}, QUEUED,
         ("analysis", "reprocessing", "default", "mc")),
        # what has nothing queued is not served
        ({"mc": 900, "analysis": 100}, {"mc": 10.0}, ("mc",)),
        ({"mc": 900}, {}, ()),
    ],
)  # fmt: skip
def test_share_furthest_below_its_target_is_first(
    used: dict[str, float], queued: dict[str, float], order: tuple[str, ...]
) -> None:
    assert ShareTree(GRID).furthest_below(used, queued) == order


def test_standings_roll_up_the_leaves() -> None:
    tree = ShareTree(GRID)
    found = {s.name: s for s in tree.standings({"mc": 30.0, "analysis": 70.0}, {"default": 20.0})}
    assert (found["production"].used, found["production"].used_hs06) == (0.3, 30.0)
    assert (found["production"].depth, found["mc"].depth) == (0, 1)
    assert found["default"].queued_hs06 == 20.0
    # production can use 0.3 only; the rest is analysis's and default's, 35 : 5
    assert found["default"].due == pytest.approx(0.7 * 5 / 40)


BAD = [
    (a_tree(a=60, b=30, default=5), "weights at the top: a 60 + b 30 + default 5 = 95"),
    (a_tree(a=95, a__b=60, a__c=41, default=5), "weights below a: b 60 + c 41 = 101"),
    (a_tree(a=0, default=0), "a 0 + default 0 = 0"),
    (a_tree(a=110, b=-20, default=10), "share b.weight: -20 - zero or more"),
    (a_tree(a=float("nan"), default=5), "share a.weight: nan"),
    (a_tree(a=float("inf"), default=5), "share a.weight: inf"),
    ([*a_tree(a=95, default=5), Share(name="x", weight=100, parent="b")],
     "share x.parent: b - unknown"),
    ([*a_tree(production=95, default=5), Share(name="x", weight=1, parent="producton")],
     "did you mean production?"),
    ([*a_tree(default=100), Share(name="x", weight=1, parent="y"),
      Share(name="y", weight=1, parent="x")], "x → y → x - no cycle"),
    ([*a_tree(default=100), Share(name="x", weight=1, parent="x")], "x → x - no cycle"),
    (a_tree(a=50, default=50) + a_tree(a=50), "share a: stands 2 times - each share once"),
    (a_tree(a=100), "share default: missing"),
    (a_tree(a=50, default=50, default__b=1), "share default: has shares below it"),
    ([], "share default: missing"),
]  # fmt: skip


@pytest.mark.parametrize(("shares", "words"), BAD, ids=[words for _, words in BAD])
def test_tree_that_does_not_add_up_is_refused_with_words(shares: list[Share], words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        ShareTree(shares)
    assert words in str(refused.value)


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(InvalidRequest) as refused:
        ShareTree(a_tree(a=-1, a__b=7))
    assert len(refused.value.faults) == 4


def test_new_weight_keeps_the_proportions_of_the_siblings() -> None:
    tree = {s.name: s.weight for s in scaled(GRID, "production", 20)}
    assert tree == pytest.approx(
        {"production": 20, "mc": 75, "reprocessing": 25, "analysis": 70, "default": 10}
    )


@given(trees(), st.floats(0, 100), st.data())
def test_tree_with_a_new_weight_still_adds_up(
    shares: list[Share], weight: float, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([s.name for s in shares]))
    alone = sum(s.parent == next(x for x in shares if x.name == name).parent for s in shares) == 1
    if alone:
        weight = 100.0
    ShareTree(scaled(shares, name, weight))


@pytest.mark.parametrize(
    ("name", "weight", "words"),
    [
        ("analisis", 1, "did you mean analysis?"),
        ("analysis", 101, "analysis.weight: 101 - from 0 to 100"),
        ("analysis", -1, "analysis.weight: -1 - from 0 to 100"),
        ("analysis", float("nan"), "from 0 to 100"),
        ("only", 50, "100: no sibling has weight to give"),
    ],
)
def test_impossible_weight_is_refused_with_words(name: str, weight: float, words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        scaled([*GRID, Share(name="only", weight=100, parent="analysis")], name, weight)
    assert words in str(refused.value)


def test_share_furthest_below_what_it_is_due_is_served_first() -> None:
    waiting = {"a": [(1, 10.0), (2, 10.0)], "b": [(3, 10.0), (4, 10.0)]}
    assert serve({"a": 0.75, "b": 0.25}, {"a": 10.0, "b": 30.0}, waiting, 3) == [1, 2, 3]


def test_what_is_given_counts_for_the_next_choice() -> None:
    waiting = {"a": [(n, 10.0) for n in range(10)], "b": [(n, 10.0) for n in range(10, 20)]}
    served = serve({"a": 0.8, "b": 0.2}, {}, waiting, 10)
    assert sum(job_id < 10 for job_id in served) == 8


def test_share_that_nobody_knows_is_served_when_the_others_have_their_due() -> None:
    waiting = {"known": [(1, 10.0)], "gone": [(2, 10.0)]}
    assert serve({"known": 1.0}, {}, waiting, 5) == [1, 2]


lines = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.floats(0.1, 100), min_size=1, max_size=8), max_size=4
)


@given(lines, st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1)), st.integers(0, 40))
def test_each_job_is_served_once_and_in_the_order_of_its_share(
    lines: dict[str, list[float]], due: dict[str, float], wanted: int
) -> None:
    numbers = iter(range(100))
    waiting = {share: [(next(numbers), hs06) for hs06 in line] for share, line in lines.items()}
    served = serve(due, {}, waiting, wanted)
    assert len(served) == len(set(served)) == min(wanted, sum(map(len, lines.values())))
    for line in waiting.values():
        mine = [job_id for job_id in served if job_id in dict(line)]
        assert mine == [job_id for job_id, _ in line][: len(mine)]


@given(
    st.dictionaries(
        st.sampled_from("abcd"), st.tuples(st.integers(1, 30), st.floats(0.1, 100)), min_size=1
    ),
    st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1)),
    st.dictionaries(st.sampled_from("abcde"), st.floats(0, 500)),
    st.data(),
)
def test_what_goes_before_a_job_is_what_is_served_before_it(
    lines: dict[str, tuple[int, float]], due: dict[str, float], used: dict[str, float],
    data: st.DataObject,
) -> None:  # fmt: skip
    share = data.draw(st.sampled_from(sorted(lines)))
    n_same = data.draw(st.integers(0, lines[share][0] - 1))
    numbers = iter(range(1000))
    waiting = {s: [(next(numbers), hs06) for _ in range(n)] for s, (n, hs06) in lines.items()}
    served = serve(due, used, waiting, 1000)
    before = n_served_before(
        due, used, {s: Waiting(n_jobs=n, hs06=hs06) for s, (n, hs06) in lines.items()},
        (share, n_same),
    )  # fmt: skip
    assert before == served.index(waiting[share][n_same][0])


def test_long_lines_are_foreseen_to_some_per_cent() -> None:
    lines = {"a": Waiting(n_jobs=10**6, hs06=10), "b": Waiting(n_jobs=10**6, hs06=10)}
    found = n_served_before({"a": 0.75, "b": 0.25}, {}, lines, ("a", 300_000))
    assert found == pytest.approx(400_000, rel=2 * 10**6 / MOST_STEPS / 300_000)
