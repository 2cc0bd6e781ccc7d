"""Searches over the books: rounds, limits, retries, ends; every stage, no real pilots."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from tasks.stages import STAGES
from tasks.store.books import Books
from tasks.why.task import why_task
from tests.builders import a_dataset, a_pilot, a_report, a_task, report, run_stages, task_row
from tests.integration.tasks.scene import (
    adds_up,
    end_pauses,
    expire_leases,
    rows,
    run_jobs,
    sql,
    status,
    tell,
    value,
)
from tests.integration.tasks.search_scene import (
    SPACE,
    a_search,
    bowl,
    document_of,
    evaluate_jobs,
    points_of,
    search_on,
    work_of,
)


def test_search_evaluates_its_points_in_rounds_and_is_done(books: Books) -> None:
    task_id = a_search(books, max_points=5)
    batches = search_on(books, a_pilot(books))
    # Two points a round, one evaluated at a time; the last round has what is left.
    assert batches == [[1], [2], [3], [4], [5]]
    assert status(books, task_id) == "done"
    assert [row[1] for row in points_of(books, task_id)] == [1, 2, 3, 4, 5]
    assert all(row[2] is not None and not row[3] for row in points_of(books, task_id))


@pytest.mark.parametrize(
    ("terms", "batches"),
    [
        ({"n_parallel_evaluation": 2}, [[1, 2], [3, 4], [5, 6]]),
        ({"n_parallel_evaluation": 9, "n_points_per_iteration": 4}, [[1, 2, 3, 4], [5, 6]]),
        ({"n_points_per_job": 2}, [[1, 2], [3, 4], [5, 6]]),
        # Two a job of three points a round: the third goes alone.
        ({"n_points_per_job": 2, "n_points_per_iteration": 3, "n_parallel_evaluation": 2},
         [[1, 2, 3], [4, 5, 6]]),
    ],
)  # fmt: skip
def test_parallel_evaluations_and_points_a_job_are_kept(
    books: Books, terms: dict[str, Any], batches: list[list[int]]
) -> None:
    task_id = a_search(books, max_points=6, **terms)
    assert search_on(books, a_pilot(books)) == batches
    assert status(books, task_id) == "done"


def test_unevaluated_points_trigger_the_next_round_before_all_are_done(books: Books) -> None:
    task_id = a_search(
        books, max_points=9, n_points_per_iteration=5, min_unevaluated_points=2,
        n_parallel_evaluation=9,
    )  # fmt: skip
    pilot = a_pilot(books)
    run_stages(books)
    jobs = work_of(books, pilot)
    assert len(jobs) == 3
    evaluate_jobs(books, pilot, jobs[:1])
    assert len(points_of(books, task_id)) == 3  # two are left: not below two
    evaluate_jobs(books, pilot, jobs[1:2])
    assert len(points_of(books, task_id)) == 6
    evaluate_jobs(books, pilot, [*jobs[2:], *work_of(books, pilot)])
    search_on(books, pilot)
    assert (status(books, task_id), len(points_of(books, task_id))) == ("done", 9)


def test_search_ends_with_its_grid(books: Books) -> None:
    space = {"n": {"method": "uniformint", "dimension": {"low": 1, "high": 3}}}
    task_id = a_search(books, space=space, sampler="grid", max_points=50)
    search_on(books, a_pilot(books), lambda point: point["n"])
    assert status(books, task_id) == "done"
    assert sorted(row[2] for row in points_of(books, task_id)) == [1.0, 2.0, 3.0]


def test_each_point_is_tried_three_times_then_gets_a_very_large_loss(books: Books) -> None:
    task_id = a_search(books, max_points=3)
    pilot = a_pilot(books)

    def evaluate(point: dict[str, Any]) -> Any:
        return "diverged" if point == first else bowl(point)

    run_stages(books)
    first = json.loads(value(books, "SELECT CAST(parameters AS TEXT) FROM search_point "
                                    "WHERE point_nr = 1"))  # fmt: skip
    batches = search_on(books, pilot, evaluate)
    assert sorted(nr for batch in batches for nr in batch) == [1, 1, 1, 2, 3]
    assert status(books, task_id) == "finished"
    assert points_of(books, task_id)[0][2:] == (1e30, True)
    assert task_row(books, task_id).reason == (
        "1 of 3 points could not be evaluated in 3 tries each and got a very large loss; "
        "last job 3: point 1: diverged"
    )


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ('{"points": {"1": {"loss": "low"}}}', "point 1: the loss is 'low', a number is needed"),
        ("[]", "point 1: the job's result is [], an object with points is needed"),
        (None, "point 1: the job reported no result"),
    ],
)
def test_job_that_reports_no_loss_has_failed_whatever_it_says(
    books: Books, result: str | None, words: str
) -> None:
    a_search(books)
    pilot = a_pilot(books)
    run_stages(books)
    [job] = work_of(books, pilot)
    report(books, pilot, a_report(job, result=result))
    run_stages(books, "collect")
    [(found, diag, code)] = rows(
        books, "SELECT status, server_error_diag, server_error_code FROM job WHERE id = :id",
        id=job.job_id,
    )  # fmt: skip
    assert (found, code) == ("failed", 110)
    assert words in diag
    assert value(books, "SELECT n_failed FROM file WHERE job_id = :id AND status = 'ready'",
                 id=job.job_id) == 1  # fmt: skip


def test_good_points_of_a_job_are_kept_and_bad_ones_tried_again(books: Books) -> None:
    task_id = a_search(books, max_points=2, n_points_per_job=2)
    pilot = a_pilot(books)
    run_stages(books)
    [job] = work_of(books, pilot)
    result = '{"points": {"1": {"error": "no"}, "2": {"loss": 4}}}'
    report(books, pilot, a_report(job, result=result))
    run_stages(books)
    assert adds_up(books)
    [again] = work_of(books, pilot)
    assert [p["point_nr"] for p in document_of(again)["points"]] == [1]
    evaluate_jobs(books, pilot, [again])
    assert status(books, task_id) == "done"
    assert [row[2] is not None for row in points_of(books, task_id)] == [True, True]
    assert points_of(books, task_id)[1][2] == 4


def test_search_without_jobs_left_is_finished_and_goes_on_when_retried(books: Books) -> None:
    task_id = a_search(books, max_points=4, max_evaluation_jobs=3)
    pilot = a_pilot(books)
    search_on(books, pilot)
    assert (status(books, task_id), task_row(books, task_id).reason) == (
        "finished",
        "all 3 evaluation jobs (maxEvaluationJobs) are used up, 3 of 4 points are evaluated",
    )
    before = points_of(books, task_id)[:3]
    tell(books, task_id, "retry")
    search_on(books, pilot)
    assert status(books, task_id) == "done"
    assert points_of(books, task_id)[:3] == before


def test_hopeless_points_are_tried_again_when_the_search_is_retried(books: Books) -> None:
    task_id = a_search(books, max_points=2, max_evaluation_jobs=6)
    pilot = a_pilot(books)
    search_on(books, pilot, lambda _: "no such module")
    assert status(books, task_id) == "finished"
    assert [row[3] for row in points_of(books, task_id)] == [True, True]
    tell(books, task_id, "retry")
    search_on(books, pilot)
    assert status(books, task_id) == "done"
    assert not any(row[3] for row in points_of(books, task_id))


def test_lost_pilots_spend_no_try_of_a_point(books: Books) -> None:
    task_id = a_search(books, max_points=1, max_evaluation_jobs=9)
    pilot = a_pilot(books)
    run_stages(books)
    for _ in range(4):
        assert len(work_of(books, pilot)) == 1
        expire_leases(books)  # it is never heard of again
        end_pauses(books)
        run_stages(books)
    search_on(books, pilot)
    assert status(books, task_id) == "done"


def test_searches_with_the_same_seed_and_losses_make_the_same_points(books: Books) -> None:
    terms: dict[str, Any] = {"max_points": 6, "n_points_per_iteration": 3}
    pilot = a_pilot(books)
    found = []
    for n_parallel in (1, 3):
        task_id = a_search(books, n_parallel_evaluation=n_parallel, **terms)
        search_on(books, pilot)
        found.append(rows(
            books, "SELECT point_nr, CAST(parameters AS TEXT), loss FROM search_point "
            "WHERE task_id = :id ORDER BY point_nr", id=task_id,
        ))  # fmt: skip
    assert found[0] == found[1]


def test_proposals_for_books_that_moved_on_are_not_written(books: Books) -> None:
    task_id = a_search(books, max_points=6)
    run_stages(books, "refine", "feed", "assign")
    steer = STAGES["steer"]
    [late] = steer.claim(books, "slow", 10)
    with books.read() as session:
        old = steer.prepare(session, task_id)  # type: ignore[misc]
    steer.give_back(books, [late], "slow")
    run_stages(books, "steer", "generate")
    assert len(points_of(books, task_id)) == 2
    sql(books, "UPDATE search SET seen_version = 0")
    [again] = steer.claim(books, "slow", 10)
    stale = replace(steer, prepare=lambda session, task_id: old)
    stale.work(books, again, "slow")
    assert len(points_of(books, task_id)) == 2


def test_kill_and_pause_work_on_searches(books: Books) -> None:
    pilot = a_pilot(books)
    killed, paused = a_search(books), a_search(books)
    run_stages(books)
    tell(books, paused, "pause")
    tell(books, killed, "kill")
    run_stages(books)
    assert (status(books, killed), status(books, paused)) == ("aborted", "paused")
    tell(books, paused, "resume")
    search_on(books, pilot)
    assert status(books, paused) == "done"


def test_search_told_to_finish_keeps_what_it_has(books: Books) -> None:
    task_id = a_search(books)
    pilot = a_pilot(books)
    run_stages(books)
    evaluate_jobs(books, pilot, work_of(books, pilot))
    tell(books, task_id, "finish")
    run_stages(books)
    assert (status(books, task_id), task_row(books, task_id).reason) == (
        "finished", "1 of 10 points were evaluated"
    )  # fmt: skip


def test_every_job_gets_all_training_files(books: Books) -> None:
    name = a_dataset(books, 3)
    task_id = a_search(books, max_points=2, training_datasets=[name], n_parallel_evaluation=2)
    pilot = a_pilot(books)
    run_stages(books)
    jobs = work_of(books, pilot)
    files = ["f000000.dat", "f000001.dat", "f000002.dat"]
    assert [[item.lfn for item in job.inputs] for job in jobs] == [files, files]
    assert [document_of(job)["training_files"] for job in jobs] == [files, files]
    evaluate_jobs(books, pilot, jobs)
    assert status(books, task_id) == "done"


def test_search_waits_for_the_end_of_the_task_that_writes_its_training_data(books: Books) -> None:
    pilot = a_pilot(books)
    parent = a_task(books, outputs=["train.h5"], n_jobs=2)
    name = value(books, "SELECT name FROM task WHERE id = :id", id=parent) + "_train.h5"
    spec = {"parent_task_id": parent}
    task_id = a_search(books, spec, max_points=1, training_datasets=[name])
    run_stages(books)
    first, second = work_of(books, pilot)
    report(books, pilot, a_report(first))
    run_stages(books)
    assert (status(books, task_id), points_of(books, task_id)) == ("pending", [])
    report(books, pilot, a_report(second))
    run_stages(books)
    [job] = work_of(books, pilot)
    assert len(document_of(job)["training_files"]) == 2
    evaluate_jobs(books, pilot, [job])
    assert status(books, task_id) == "done"


def test_segments_are_searched_each_for_itself(books: Books) -> None:
    name = a_dataset(books, 3)
    task_id = a_search(
        books, max_points=3, training_datasets=[name], metrics_name="metrics.tgz",
        segments=[{"name": "arms", "files": ["f000000.dat", "f000002.dat"]},
                  {"name": "legs", "files": ["f000001.dat"], "space": {"z": SPACE["x"]}}],
    )  # fmt: skip
    pilot = a_pilot(books)
    run_stages(books)
    seen = []
    while jobs := work_of(books, pilot):
        for job in jobs:
            document = document_of(job)
            keys = sorted(document["points"][0]["parameters"])
            seen.append((document["segment"], tuple(document["training_files"]), "".join(keys)))
        evaluate_jobs(books, pilot, jobs, lambda point: sum(point.values()))
    # Turn by turn, so that no segment waits for the other to end.
    arms = ("arms", ("f000000.dat", "f000002.dat"), "xy")
    legs = ("legs", ("f000001.dat",), "z")
    assert sorted(seen) == sorted([arms, legs] * 3)
    assert {arms, legs} == set(seen[:2])
    assert status(books, task_id) == "done"
    assert [row[:2] for row in points_of(books, task_id)] == [
        ("arms", 1), ("arms", 2), ("arms", 3), ("legs", 1), ("legs", 2), ("legs", 3)
    ]  # fmt: skip


STEER = "steer -n %NUM_POINTS -i %IN -o %OUT"


def steered(books: Books, pilot: int, points: str, state: str = "finished", **more: Any) -> Any:
    """Report the round of steering that waits; gives what it was to do."""
    [job] = work_of(books, pilot)
    document = document_of(job)
    assert document["kind"] == "steering"
    assert [output.kind for output in job.outputs] == ["log"]
    result = f'{{"points": {points}}}' if state == "finished" else None
    report(books, pilot, a_report(job, state, result=result, **more))
    run_stages(books)
    return document


def test_own_steering_program_runs_as_a_job_and_learns_what_was_evaluated(books: Books) -> None:
    task_id = a_search(books, max_points=3, steering_command=STEER, metrics_name="m.tgz")
    pilot = a_pilot(books)
    run_stages(books)
    first = steered(books, pilot, '[{"x": 1}, {"x": 2}]')
    assert first["command"] == "steer -n 2 -i steering_in.json -o steering_out.json"
    assert first["evaluated"] == {"points": [], "opt_space": SPACE}
    for _ in range(2):
        evaluate_jobs(books, pilot, work_of(books, pilot), lambda point: point["x"] / 10)
    second = steered(books, pilot, '[{"x": 3}, {"x": 4}]')
    assert second["command"].startswith("steer -n 1 ")
    assert second["evaluated"]["points"] == [[{"x": 1}, 0.1], [{"x": 2}, 0.2]]
    evaluate_jobs(books, pilot, work_of(books, pilot), lambda point: point["x"] / 10)
    assert status(books, task_id) == "done"
    assert [row[1:3] for row in points_of(books, task_id)] == [(1, 0.1), (2, 0.2), (3, 0.3)]


@pytest.mark.parametrize(
    ("points", "state", "words"),
    [
        ("[]", "finished", "the steering program wrote no points"),
        ("", "failed", "ModuleNotFoundError"),
    ],
)
def test_steering_that_fails_three_times_ends_the_search_which_can_be_retried(
    books: Books, points: str, state: str, words: str
) -> None:
    task_id = a_search(books, max_points=2, steering_command=STEER)
    pilot = a_pilot(books)
    run_stages(books)
    more = {"pilot_error_code": 1305, "pilot_error_diag": words} if state == "failed" else {}
    for _ in range(3):
        steered(books, pilot, points, state, **more)
    assert status(books, task_id) == "finished"
    assert task_row(books, task_id).reason.startswith("steering failed 3 times; last job 3: ")
    assert words in task_row(books, task_id).reason
    tell(books, task_id, "retry")
    run_stages(books)
    steered(books, pilot, '[{"x": 1}, {"x": 2}]')
    search_on(books, pilot, lambda point: point["x"])
    assert status(books, task_id) == "done"


def test_search_survives_its_flow_at_any_step(books: Books) -> None:
    """Each stage is run from its rows alone: nothing is made or evaluated twice."""
    task_id = a_search(books, max_points=4, n_parallel_evaluation=2)
    pilot = a_pilot(books)
    run_stages(books)
    seen: list[int] = []
    while jobs := work_of(books, pilot):
        seen += [p["point_nr"] for job in jobs for p in document_of(job)["points"]]
        evaluate_jobs(books, pilot, jobs)
        for _ in range(3):  # a daemon that begins anew looks at everything
            sql(books, "UPDATE search SET seen_version = 0")
            run_stages(books)
    assert seen == [1, 2, 3, 4]
    assert status(books, task_id) == "done"


def test_ordinary_tasks_have_nothing_of_a_search(books: Books) -> None:
    name = a_dataset(books, 2)
    pilot = a_pilot(books)
    task_id = a_task(books, inputs=[{"datasets": [name]}], n_files_per_job=1)
    run_stages(books)
    jobs = run_jobs(books, pilot)
    assert [(job.files, job.result_name, job.saved) for job in jobs] == [({}, None, ())] * 2
    assert status(books, task_id) == "done"


def test_why_says_what_a_search_waits_for(books: Books) -> None:
    task_id = a_search(books, max_points=3, max_evaluation_jobs=2, n_points_per_iteration=3)
    pilot = a_pilot(books)

    def said() -> tuple[str, str]:
        with books.read() as session:
            found = why_task(session, task_id)
        return found.summary, found.details[-1]

    run_stages(books, "refine", "feed", "assign")
    assert said()[0] == "its next points are chosen: 0 points of 3 evaluated"
    run_stages(books)
    assert said()[1] == "no further jobs for now: 1 job at a time (nParallelEvaluation)"
    evaluate_jobs(books, pilot, work_of(books, pilot))
    assert said()[1] == "no further jobs: all 2 (maxEvaluationJobs) are used"
