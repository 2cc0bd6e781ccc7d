"""Which outputs are merged together, and by which command (documentation, 4.1.2)."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from culm.core.errors import InvalidRequest
from tasks.merging import MergeGroup, MergeLimits, Unmerged, group, merge_command, merged_name
from tests.builders import a_spec


def jobs(*sizes: int, events: int = 1) -> list[Unmerged]:
    return [Unmerged(number, size, events) for number, size in enumerate(sizes)]


def ids(groups: list[MergeGroup]) -> list[list[int]]:
    return [[job.job_id for job in one.jobs] for one in groups]


GROUPS: dict[str, tuple[list[Unmerged], dict[str, float], bool, list[list[int]]]] = {
    "nothing": ([], {}, False, []),
    "all, at the end": (jobs(1, 1, 1), {}, False, [[0, 1, 2]]),
    "none, while more may come": (jobs(1, 1, 1), {}, True, []),
    "by number": (jobs(1, 1, 1, 1, 1), {"max_files": 2}, False, [[0, 1], [2, 3], [4]]),
    "by number, the rest waits": (jobs(1, 1, 1), {"max_files": 2}, True, [[0, 1]]),
    "by size": (jobs(4, 4, 4, 8), {"max_bytes": 9}, False, [[0, 1], [2], [3]]),
    "by size, exactly full": (jobs(4, 5, 1), {"max_bytes": 9}, True, [[0, 1]]),
    "one over the size": (jobs(1, 20, 1), {"max_bytes": 9}, False, [[0], [1], [2]]),
    "by events": (jobs(0, 0, 0, events=10), {"max_events": 20}, True, [[0, 1]]),
    "empty files": (jobs(0, 0, 0), {"max_bytes": 9}, False, [[0, 1, 2]]),
}  # fmt: skip


@pytest.mark.parametrize("name", GROUPS)
def test_outputs_are_grouped(name: str) -> None:
    waiting, limits, more, expected = GROUPS[name]
    assert ids(group(waiting, MergeLimits(**limits), more_may_come=more)) == expected


def test_outputs_of_a_merge_that_failed_stay_together() -> None:
    again = [
        Unmerged(0, merged_by=7),
        Unmerged(1),
        Unmerged(2, merged_by=8),
        Unmerged(3, merged_by=7),
    ]
    groups = group(again, MergeLimits(max_files=1), more_may_come=True)
    assert [(one.retry_of, [j.job_id for j in one.jobs]) for one in groups] == [
        (7, [0, 3]), (8, [2]), (None, [1])]  # fmt: skip


limit = st.one_of(st.just(inf), st.integers(1, 30))
waiting = st.lists(
    st.tuples(st.integers(0, 20), st.integers(1, 20), st.sampled_from([None, 70, 71])), max_size=60
)


@given(waiting, limit, limit, limit, st.booleans())
def test_each_output_is_in_one_group_and_limits_are_kept(
    rows: list[tuple[int, int, int | None]],
    files: float,
    size: float,
    events: float,
    more: bool,
) -> None:
    outputs = [Unmerged(i, s, n, by) for i, (s, n, by) in enumerate(rows)]
    limits = MergeLimits(max_files=files, max_bytes=size, max_events=events)
    groups = group(outputs, limits, more_may_come=more)
    taken = [job for one in groups for job in one.jobs]
    assert len({job.job_id for job in taken}) == len(taken)
    left = [job for job in outputs if job not in taken]
    assert not left or (more and limits.hold(left))
    fresh = [one for one in groups if one.retry_of is None]
    assert all(limits.hold(one.jobs) or len(one.jobs) == 1 for one in fresh)
    # In order, and none smaller than it need be: the next one would not have fitted.
    order = [job.job_id for one in fresh for job in one.jobs] + [job.job_id for job in left]
    assert order == sorted(order)
    following = [*fresh[1:], *([MergeGroup(tuple(left))] if left else [])]
    for one, after in zip(fresh, following, strict=False):
        assert not limits.hold([*one.jobs, after.jobs[0]]) or _is_full(one, limits)


def _is_full(one: MergeGroup, limits: MergeLimits) -> bool:
    events = sum(job.n_events for job in one.jobs)
    return (
        len(one.jobs) >= limits.max_files
        or one.size_bytes >= limits.max_bytes
        or events >= limits.max_events
    )


COMMANDS = {
    "hist.root": ("hist.root", "hadd -f hist.root a b"),
    "out.txt": ("out.txt", "cat a b > out.txt"),
    "lines.log.gz": ("lines.log.gz", "cat a b > lines.log.gz"),
    "table.h5": ("table.h5.tgz", "tar -czf table.h5.tgz a b"),
    "x.json": ("x.json.tgz", "tar -czf x.json.tgz a b"),
    "plots*.png": ("plotsXYZ.png.tgz", "tar -czf plotsXYZ.png.tgz a b"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_what_merges_follows_from_the_name(name: str) -> None:
    spec = a_spec(outputs=[name], merge_output=True)
    assert (merged_name(name, spec), merge_command(spec, {name: ["a", "b"]})) == COMMANDS[name]


def test_own_script_gets_names_with_commas_and_is_run_for_each_output() -> None:
    spec = a_spec(outputs=["x.h5", "y.h5"], merge_output=True,
                  merge_script="merge.py -o %OUT -i %IN # that's it")  # fmt: skip
    assert merge_command(spec, {"x.h5": ["a", "b"], "y.h5": ["c"]}) == (
        "(\nmerge.py -o x.h5 -i a,b # that's it\n) && (\nmerge.py -o y.h5 -i c # that's it\n)"
    )


FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing to merge": ({"merge_output": True}, "merge_output", "no output is declared"),
    **{
        f"{name} alone": ({name: value, "outputs": ["o"]}, name, "needs merge_output")
        for name, value in (("merge_script", "cat %IN > %OUT"), ("n_files_per_merge_job", 3),
                            ("n_gb_per_merge_job", 1.5), ("n_events_per_merge_job", 10))
    },
    "script without %IN": (
        {"merge_output": True, "outputs": ["o"], "merge_script": "touch %OUT"},
        "merge_script", "must name %IN"),
    "script without %OUT": (
        {"merge_output": True, "outputs": ["o"], "merge_script": "cat %IN"},
        "merge_script", "must name %OUT"),
    "script with more": (
        {"merge_output": True, "outputs": ["o"], "merge_script": "x %IN %OUT %RNDM:1"},
        "merge_script", "only %IN and %OUT"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_wrong_merge_is_refused(name: str) -> None:
    changes, field, needed = FAULTS[name]
    with pytest.raises(InvalidRequest) as caught:
        a_spec(**changes).check()
    assert [(f.field, needed in f.needed) for f in caught.value.faults] == [(field, True)]
