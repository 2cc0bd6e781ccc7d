"""Workflows with a search in them (documentation, 4.1.8 "Involving hyperparameter …")."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from culm.core.errors import InvalidRequest
from culm.wire.job_spec import JobSpec
from culm.wire.views import CommandRequest
from tasks.stages.workflow_command import command_workflow
from tasks.store.books import Books
from tests.builders import run_stages
from tests.integration.tasks.scene import rows
from tests.integration.tasks.search_scene import bowl, document_of, result_of
from tests.integration.tasks.workflow_scene import (
    HEAD,
    Hands,
    a_workflow,
    status_of,
    steps,
    texts_of,
)

EXAMPLES = Path(__file__).parents[2] / "data" / "cwl"
FILES = texts_of(EXAMPLES, "hpo.cwl", "conf.json", "space.json")


class SearchingHands(Hands):
    """Hands that evaluate points, too: each has its distance from the best as its loss."""

    def _left(self, job: JobSpec) -> dict[str, Any]:
        if "culm_search.json" not in job.files:
            return super()._left(job)
        return {"result": result_of(job, bowl)}


def jobs_of(hands: Hands, step: str) -> list[JobSpec]:
    return [job for job in hands.jobs if job.task_name.endswith(step)]


def files_in(books: Books, dataset: str) -> list[str]:
    found = rows(
        books, "SELECT f.lfn FROM catalog_file f JOIN catalog_dataset d ON d.id = f.dataset_id "
        "WHERE d.name = :name ORDER BY f.lfn", name=dataset,
    )  # fmt: skip
    return [str(lfn) for (lfn,) in found]


def test_search_gets_its_parent_s_output_and_its_child_the_metrics(books: Books) -> None:
    hands = SearchingHands(books)
    made = a_workflow(books, "hpo.cwl", FILES, name="user.alice.hpo")
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")
    assert steps(books, made) == {
        "000_pre_proc": "done", "001_main_hpo": "done", "002_post_proc": "done"}  # fmt: skip

    seeds = files_in(books, "user.alice.hpo_000_pre_proc_seed.txt")
    evaluations = jobs_of(hands, "001_main_hpo")
    assert [len(document_of(job)["points"]) for job in evaluations] == [1] * 4
    assert all(sorted(document_of(job)["training_files"]) == seeds for job in evaluations)
    assert len(seeds) == 2
    losses = rows(books, "SELECT loss FROM search_point")
    assert len(losses) == 4
    assert (None,) not in losses

    metrics = files_in(books, "user.alice.hpo_001_main_hpo_metrics.tgz")
    [after] = jobs_of(hands, "002_post_proc")
    assert sorted(file.lfn for file in after.inputs) == metrics
    assert len(metrics) == 4


def test_search_beside_its_parent_waits_for_all_of_its_output(books: Books) -> None:
    hands = SearchingHands(books)
    files = FILES | {"hpo.cwl": FILES["hpo.cwl"].replace(
        "    when: $(self.opt_trainingDS)\n", "")}  # fmt: skip
    made = a_workflow(books, "hpo.cwl", files)
    run_stages(books)
    hands.one_job()
    run_stages(books)
    assert steps(books, made)["001_main_hpo"] == "submitted"
    assert rows(books, "SELECT point_nr FROM search_point") == []
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")
    evaluations = jobs_of(hands, "001_main_hpo")
    assert [len(document_of(job)["training_files"]) for job in evaluations] == [2] * 4


def test_search_whose_parent_failed_is_left_out(books: Books) -> None:
    hands = SearchingHands(books)
    hands.bad = ("000_pre_proc",)
    made = a_workflow(books, "hpo.cwl", FILES)
    hands.to_the_end()
    assert steps(books, made) == {"000_pre_proc": "failed"}
    assert jobs_of(hands, "001_main_hpo") == []


def test_search_without_metrics_fails_its_child_and_is_retried(books: Books) -> None:
    hands = SearchingHands(books)
    hands.bad = ("001_main_hpo",)
    text = FILES["hpo.cwl"].replace("    when: $(self.opt_inDS)\n", "")
    made = a_workflow(books, "hpo.cwl", FILES | {"hpo.cwl": text})
    hands.to_the_end()
    status, reason = status_of(books, made)
    # A point that failed three times has a very large loss, and the search is over; its metrics
    # are not there.
    assert status == "failed"
    assert steps(books, made) == {
        "000_pre_proc": "done", "001_main_hpo": "finished", "002_post_proc": "failed"}  # fmt: skip
    assert "hpo.cwl:28 post_proc: task " in reason
    assert "_001_main_hpo_metrics.tgz - has no files" in reason

    hands.bad = ()
    request = CommandRequest(command="retry")
    command_workflow(books, made, request, "alice")
    hands.to_the_end()
    assert status_of(books, made) == ("done", "")
    assert set(steps(books, made).values()) == {"done"}


PLAIN = "--evaluationExec ./go --searchSpaceFile space.json --nParallelEvaluation 9"


def searching(more: str) -> str:
    return f"  s:\n    run: phpo\n    out: [outDS]\n    in:\n{more}"


def test_scattered_searches_each_have_their_own_points(books: Books) -> None:
    hands = SearchingHands(books)
    body = searching("      opt_args: {default: '" + PLAIN + "'}\n      opt_maxPoints: n\n"
                     "    scatter: opt_maxPoints\n")  # fmt: skip
    text = HEAD.replace("inputs: []", "inputs: {n: {type: 'int[]', default: [2, 3]}}") + body
    made = a_workflow(books, "w.cwl", FILES | {"w.cwl": text}, name="user.alice.wide")
    hands.to_the_end()
    assert steps(books, made) == {"000_s_0": "done", "000_s_1": "done"}
    found = rows(books, "SELECT t.name, count(*) FROM search_point p JOIN task t ON "
                 "t.id = p.task_id GROUP BY t.name ORDER BY t.name")  # fmt: skip
    assert found == [("user.alice.wide_000_s_0", 2), ("user.alice.wide_000_s_1", 3)]


REFUSED = [
    (f"      opt_args: {{default: '{PLAIN}'}}\n"
     "      opt_trainingDS: {default: user.alice.none}\n",
     "w.cwl:6 s search.training_datasets: user.alice.none - no such dataset"),
    (f"      opt_args: {{default: '{PLAIN} --workingGroup higgs'}}\n",
     "working_group: only the production role may say whose share a task counts for"),
    ("      opt_args: {default: '--evaluationExec ./go'}\n",
     "w.cwl:6 s --searchSpaceFile: missing - name the file with the search space"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "words"), REFUSED)
def test_search_that_cannot_run_is_refused_with_its_workflow(
    books: Books, given: str, words: str
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        a_workflow(books, "w.cwl", FILES | {"w.cwl": HEAD + searching(given)})
    assert words in str(refused.value) + " ".join(map(str, refused.value.faults))
    assert rows(books, "SELECT id FROM workflow") == []
