"""Which workers a harvester starts: what is wanted, one of each kind in turn, if there is room."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.wire.views import WorkersWanted
from pilot.harvester.plan import Size, size_of, workers_to_start

NODE = Size(core_count=8, memory_mb=16_000)


def wanted(queue: str, kind: str, n: int, cores: int = 1, memory_mb: int = 2000) -> WorkersWanted:
    return WorkersWanted(
        queue=queue, resource_type=kind, n_workers=n, core_count=cores, memory_mb=memory_mb,
        at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


@pytest.mark.parametrize(("targets", "young", "started"), [
    pytest.param([], {}, {}, id="nothing is wanted"),
    pytest.param([wanted("A", "SCORE", 3)], {}, {("A", "SCORE"): 3}, id="all, there is room"),
    pytest.param([wanted("A", "SCORE", 30)], {}, {("A", "SCORE"): 8}, id="as many as fit"),
    pytest.param([wanted("A", "SCORE", 3)], {("A", "SCORE"): 2}, {("A", "SCORE"): 1},
                 id="young ones count"),
    pytest.param([wanted("A", "SCORE", 3)], {("A", "SCORE"): 9}, {}, id="more young than wanted"),
    pytest.param([wanted("A", "SCORE", 30), wanted("B", "SCORE", 2)], {},
                 {("A", "SCORE"): 6, ("B", "SCORE"): 2}, id="one of each in turn"),
    pytest.param([wanted("A", "MCORE", 1, 16), wanted("A", "SCORE", 1)], {}, {("A", "SCORE"): 1},
                 id="too many cores"),
    pytest.param([wanted("A", "SCORE_HIMEM", 5, memory_mb=7000)], {}, {("A", "SCORE_HIMEM"): 2},
                 id="memory counts"),
    pytest.param([wanted("A", "MCORE", 2, 6), wanted("A", "SCORE", 9)], {},
                 {("A", "MCORE"): 1, ("A", "SCORE"): 2}, id="small ones beside a big one"),
])  # fmt: skip
def test_workers_to_start(targets, young, started):
    assert workers_to_start(targets, young, NODE) == started


@given(
    st.lists(st.builds(wanted, st.sampled_from("ABC"), st.sampled_from(["SCORE", "MCORE"]),
                       st.integers(0, 40), st.integers(1, 9), st.integers(1, 9000)),
             max_size=6, unique_by=lambda w: (w.queue, w.resource_type)),
)  # fmt: skip
def test_never_more_than_is_wanted_or_fits(targets):
    chosen = workers_to_start(targets, {}, NODE)
    by_kind = {(w.queue, w.resource_type): w for w in targets}
    assert all(0 < number <= by_kind[kind].n_workers for kind, number in chosen.items())
    sizes = [size_of(by_kind[kind]) for kind in chosen.elements()]
    left = NODE.without(sizes)
    assert left.core_count >= 0
    assert left.memory_mb >= 0
