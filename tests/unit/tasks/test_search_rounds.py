"""How many points and jobs come next (documentation, 4.1.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.wire.search import SearchSpec
from tasks.searches.rounds import JobsSoFar, Progress, is_used_up, n_new_jobs, n_new_points


def spec(**terms: int) -> SearchSpec:
    return SearchSpec(**terms)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("per_round", "least", "most", "points", "evaluated", "expected"),
    [
        pytest.param(2, 0, 10, 0, 0, 2, id="first round"),
        pytest.param(2, 0, 10, 2, 1, 0, id="one is left to evaluate"),
        pytest.param(2, 0, 10, 2, 2, 2, id="none is left"),
        pytest.param(2, 0, 5, 4, 4, 1, id="never over maxPoints"),
        pytest.param(2, 0, 4, 4, 4, 0, id="all points are made"),
        pytest.param(5, 2, 20, 3, 1, 0, id="two unevaluated are not below two"),
        pytest.param(5, 2, 20, 3, 2, 3, id="one is below two: five less two"),
        pytest.param(5, 1, 20, 4, 4, 4, id="none is below one: five less one"),
    ],
)
def test_new_points_of_a_round(
    per_round: int, least: int, most: int, points: int, evaluated: int, expected: int
) -> None:
    search = spec(n_points_per_iteration=per_round, min_unevaluated_points=least, max_points=most)
    progress = Progress(n_points=points, n_evaluated=evaluated, most_points=most)
    assert n_new_points(search, progress) == expected


@pytest.mark.parametrize(
    ("parallel", "active", "used", "most", "expected"),
    [(1, 0, 0, 20, 1), (1, 1, 1, 20, 0), (4, 1, 9, 20, 3), (4, 0, 18, 20, 2), (4, 0, 20, 20, 0)],
)
def test_new_jobs(parallel: int, active: int, used: int, most: int, expected: int) -> None:
    search = spec(n_parallel_evaluation=parallel, max_evaluation_jobs=most)
    assert n_new_jobs(search, JobsSoFar(n_active=active, n_used=used)) == expected


def test_jobs_are_used_up_when_the_last_has_ended() -> None:
    search = spec(max_points=3)
    assert search.most_jobs == 6
    assert not is_used_up(search, JobsSoFar(n_active=1, n_used=6))
    assert is_used_up(search, JobsSoFar(n_active=0, n_used=6))


@given(
    st.integers(1, 40), st.integers(1, 9), st.integers(0, 8), st.lists(st.integers(0, 5)),
)  # fmt: skip
def test_rounds_make_just_max_points_and_never_stand_still(
    most: int, per_round: int, least: int, paces: list[int]
) -> None:
    least = min(least, per_round - 1)
    search = spec(n_points_per_iteration=per_round, min_unevaluated_points=least, max_points=most)
    points = evaluated = 0
    paces = [*paces, *[1] * 100]
    for pace in paces:
        points += n_new_points(
            search, Progress(n_points=points, n_evaluated=evaluated, most_points=most)
        )
        assert points <= most
        # There is always something to evaluate until all is done.
        assert points > evaluated or evaluated == most
        evaluated = min(points, evaluated + pace)
    assert points == evaluated == most
