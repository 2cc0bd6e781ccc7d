"""Merging: outputs wait, are merged in groups, and count once (spec/lifecycle.md, File and Job)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlmodel import Session

from broker.values import Demand
from culm.core.errors import WrongStatus
from culm.wire.job_spec import JobSpec
from tasks.queue_changes import set_queue
from tasks.specs import spec_of
from tasks.stages.asking import needs_of
from tasks.stages.job_command import kill_job
from tasks.stages.merges import merge_scene
from tasks.stages.unmerged import drop_unmerged
from tasks.store.books import Books
from tasks.store.configuration import set_value
from tasks.tables import Task
from tasks.views.pilot_files import reads
from tasks.views.tasks import task_view
from tasks.why.job import why_job
from tasks.why.task import why_task
from tests.builders import (
    a_dataset,
    a_pilot,
    a_report,
    a_sandbox,
    a_task,
    get_work,
    report,
    run_stages,
)
from tests.integration.tasks.scene import (
    PAST,
    adds_up,
    expire_leases,
    listening,
    rows,
    run_jobs,
    run_to_the_end,
    sql,
    status,
    tell,
    value,
)

STATUSES = "SELECT kind, status, COUNT(*) FROM job GROUP BY kind, status ORDER BY kind, status"
FILES = (
    "SELECT d.kind, f.status, COUNT(*) FROM file f JOIN dataset d ON d.id = f.dataset_id "
    "WHERE d.kind <> 'seq_number' GROUP BY d.kind, f.status ORDER BY d.kind, f.status"
)


def a_merging_task(books: Books, n_files: int = 4, **changes: Any) -> int:
    values = {
        "inputs": [{"datasets": [a_dataset(books, n_files)]}], "command": "analyse %IN",
        "n_files_per_job": 1, "outputs": ["out.txt"], "merge_output": True, "skip_scouts": True,
        "n_files_per_merge_job": 2, "max_attempts": 2,
    } | changes  # fmt: skip
    task_id = a_task(books, **values)
    run_stages(books)
    return task_id


def run_all(books: Books, pilot: int, *states: str) -> list[JobSpec]:
    """Run the run jobs; the merges come after."""
    jobs = run_jobs(books, pilot)
    assert {job.kind for job in jobs} == {"run"}
    return jobs


def test_outputs_are_merged_and_only_then_the_input_counts(books: Books) -> None:
    task_id, pilot = a_merging_task(books), a_pilot(books)
    jobs = run_all(books, pilot)
    assert rows(books, STATUSES) == [("merge", "activated", 2), ("run", "merging", 4)]
    assert rows(books, FILES) == [
        ("input", "running", 4), ("log", "defined", 2), ("output", "defined", 2),
        ("tmpl_log", "merging", 4), ("tmpl_output", "merging", 4)]  # fmt: skip
    assert adds_up(books)
    merges = get_work(books, pilot).jobs
    written = {o.lfn: o.url for job in jobs for o in job.outputs}
    read = {i.lfn: i.urls[0] for merge in merges for i in merge.inputs}
    assert read == written
    out, _ = merges[0].outputs
    names = [i.lfn for i in merges[0].inputs if i.stream == "IN"]
    assert (merges[0].kind, merges[0].command, out.local_name) == (
        "merge", f"cat {' '.join(names)} > out.txt", "out.txt")  # fmt: skip
    assert len(names) == 2
    assert {i.stream for i in merges[0].inputs} == {"IN", "_LOG"}
    report(books, pilot, *(a_report(merge) for merge in merges))
    run_stages(books)
    with books.read() as session:
        task = task_view(session, task_id)
    assert (task.status, task.n_files_finished) == ("done", 4)
    assert task.serving_counts == {"merge": {"finished": 2}}
    assert {status for _, status, _ in rows(books, FILES)} == {"finished"}
    listed = rows(books, "SELECT d.name, f.lfn FROM catalog_file f JOIN catalog_dataset d "
                  "ON d.id = f.dataset_id WHERE d.task_id = :id", id=task_id)  # fmt: skip
    assert sorted(listed) == sorted(
        (o.url.split("/")[-2], o.lfn) for merge in merges for o in merge.outputs
    )


def test_merges_are_first_in_line_and_small(books: Books) -> None:
    a_merging_task(books, core_count=4, memory_mb=4000, disk_mb=50, walltime_seconds=600)
    run_all(books, a_pilot(books))
    assert rows(books, "SELECT DISTINCT priority, core_count, memory_mb, disk_mb, "
                "walltime_seconds FROM job WHERE kind = 'merge'") == [
        (5000, 1, 2000, 101, 600)]  # fmt: skip


def test_full_groups_are_merged_while_others_run(books: Books) -> None:
    task_id, pilot = a_merging_task(books, n_files=5), a_pilot(books)
    jobs = get_work(books, pilot).jobs
    report(books, pilot, *(a_report(job) for job in jobs[:3]))
    run_stages(books)
    assert rows(books, STATUSES) == [
        ("merge", "activated", 1), ("run", "merging", 3), ("run", "sent", 2)]  # fmt: skip
    report(books, pilot, *(a_report(job) for job in jobs[3:]))
    run_stages(books)
    # One of the last two has the third's company, the other is the partial last one.
    assert value(books, "SELECT COUNT(*) FROM job WHERE kind = 'merge'") == 3
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_part_that_is_left_is_merged_when_the_last_job_failed(books: Books) -> None:
    task_id, pilot = a_merging_task(books, n_files=2, max_attempts=1), a_pilot(books)
    first, second = get_work(books, pilot).jobs
    report(books, pilot, a_report(first))
    run_stages(books)
    assert value(books, "SELECT COUNT(*) FROM job WHERE kind = 'merge'") == 0
    report(books, pilot, a_report(second, "failed", pilot_error_code=1305))
    run_stages(books)
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "finished"
    assert rows(books, FILES) == [
        ("input", "failed", 1), ("input", "finished", 1), ("log", "finished", 1),
        ("output", "finished", 1), ("tmpl_log", "failed", 1), ("tmpl_log", "finished", 1),
        ("tmpl_output", "failed", 1), ("tmpl_output", "finished", 1)]  # fmt: skip


def test_limits_by_size_and_by_events(books: Books) -> None:
    # Each output has 10 bytes, each input five events.
    for changes, expected in (
        ({"n_files_per_merge_job": None, "n_events_per_merge_job": 10}, 3),
        ({"n_files_per_merge_job": None}, 1),
        ({"n_files_per_merge_job": None, "n_gb_per_merge_job": 1.0}, 1),
        ({"n_files_per_merge_job": 4}, 2),
    ):
        before = value(books, "SELECT COUNT(*) FROM job WHERE kind = 'merge'")
        name = a_dataset(books, 6, n_events=5)
        a_merging_task(books, inputs=[{"datasets": [name]}], **changes)
        pilot = a_pilot(books)
        run_all(books, pilot)
        after = value(books, "SELECT COUNT(*) FROM job WHERE kind = 'merge'")
        assert (changes, after - before) == (changes, expected)
        run_to_the_end(books, pilot)


def test_merge_that_fails_is_tried_again_with_the_same_files(books: Books) -> None:
    task_id, pilot = a_merging_task(books, n_files=2), a_pilot(books)
    run_all(books, pilot)
    [first] = run_jobs(books, pilot, "failed", pilot_error_code=1305)
    assert adds_up(books)
    [again] = get_work(books, pilot).jobs
    assert (again.kind, again.attempt_nr) == ("merge", 2)
    assert {i.lfn for i in again.inputs} == {i.lfn for i in first.inputs}
    assert {o.lfn for o in again.outputs}.isdisjoint(o.lfn for o in first.outputs)
    report(books, pilot, a_report(again))
    run_stages(books)
    assert status(books, task_id) == "done"


def test_merge_that_fails_for_good_fails_its_input_and_is_named(books: Books) -> None:
    task_id, pilot = a_merging_task(books, n_files=3), a_pilot(books)
    run_all(books, pilot)
    good, bad = sorted(get_work(books, pilot).jobs, key=lambda j: len(j.inputs))
    report(books, pilot, a_report(good))
    words = "the payload did not write an output file: out.txt"
    report(books, pilot,
           a_report(bad, "failed", pilot_error_code=1165, pilot_error_diag=words))  # fmt: skip
    run_stages(books)
    run_jobs(books, pilot, "failed", pilot_error_code=1165, pilot_error_diag=words)
    assert status(books, task_id) == "finished"
    reason = value(books, "SELECT reason FROM task WHERE id = :id", id=task_id)
    assert "merge job" in reason
    assert words in reason
    assert rows(books, STATUSES) == [
        ("merge", "failed", 2), ("merge", "finished", 1), ("run", "failed", 2),
        ("run", "finished", 1)]  # fmt: skip
    tell(books, task_id, "retry")
    run_stages(books)
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_input_runs_again_if_merges_are_lost_with_their_pilots(books: Books) -> None:
    task_id, pilot = a_merging_task(books, n_files=1), a_pilot(books)
    run_all(books, pilot)
    for _ in range(10):
        [merge] = get_work(books, pilot).jobs
        assert merge.kind == "merge"
        report(books, pilot, a_report(merge, "running"))
        expire_leases(books)
        run_stages(books)
    assert rows(books, STATUSES)[-2:] == [("run", "activated", 1), ("run", "failed", 1)]
    assert rows(books, "SELECT f.n_failed, f.n_lost FROM file f JOIN dataset d "
                "ON d.id = f.dataset_id AND d.is_primary") == [(0, 1)]  # fmt: skip
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_kill_while_merging_discards_what_was_done(books: Books) -> None:
    task_id, pilot = a_merging_task(books), a_pilot(books)
    run_all(books, pilot)
    [merge] = get_work(books, pilot, n_jobs=1).jobs
    report(books, pilot, a_report(merge, "running"))
    tell(books, task_id, "kill")
    [answer] = report(books, pilot, a_report(merge, "running", nr=2))
    assert answer.instruction == "kill"
    report(books, pilot, a_report(merge, "failed", nr=3, pilot_error_code=1144))
    run_stages(books)
    assert status(books, task_id) == "aborted"
    assert rows(books, STATUSES) == [("merge", "cancelled", 2), ("run", "cancelled", 4)]
    assert {status for _, status, _ in rows(books, FILES)} == {"failed"}
    tell(books, task_id, "retry")
    run_stages(books)
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_merge_that_finishes_after_the_kill_counts_for_nothing(books: Books) -> None:
    task_id, pilot = a_merging_task(books, n_files=2), a_pilot(books)
    run_all(books, pilot)
    [merge] = get_work(books, pilot).jobs
    report(books, pilot, a_report(merge, "running"))
    tell(books, task_id, "kill")
    report(books, pilot, a_report(merge, nr=2))
    run_stages(books)
    assert status(books, task_id) == "aborted"
    assert {status for _, status, _ in rows(books, FILES)} == {"failed"}
    assert rows(books, STATUSES) == [("merge", "cancelled", 1), ("run", "cancelled", 2)]


def test_run_job_that_ends_after_the_kill_is_not_merged(books: Books) -> None:
    task_id, pilot = a_merging_task(books, n_files=1), a_pilot(books)
    [job] = get_work(books, pilot).jobs
    report(books, pilot, a_report(job, "running"))
    tell(books, task_id, "kill")
    report(books, pilot, a_report(job, nr=2))
    run_stages(books)
    assert status(books, task_id) == "aborted"
    assert rows(books, STATUSES) == [("run", "cancelled", 1)]


@pytest.mark.parametrize("soft", [True, False])
def test_finish_merges_what_was_done(books: Books, soft: bool) -> None:
    task_id, pilot = a_merging_task(books, n_files=4, n_files_per_merge_job=9), a_pilot(books)
    jobs = get_work(books, pilot, n_jobs=3).jobs
    report(books, pilot, *(a_report(job) for job in jobs))
    run_stages(books)
    assert value(books, "SELECT COUNT(*) FROM job WHERE kind = 'merge'") == 0
    tell(books, task_id, "finish", soft=soft)
    run_stages(books)
    run_to_the_end(books, pilot)
    assert (status(books, task_id), value(
        books, "SELECT COUNT(*) FROM job WHERE kind = 'merge' AND status = 'finished'")) == (
        "done" if soft else "finished", 1)  # fmt: skip
    finished = 4 if soft else 3
    assert ("input", "finished", finished) in rows(books, FILES)


def test_paused_task_merges_when_it_is_resumed(books: Books) -> None:
    task_id, pilot = a_merging_task(books), a_pilot(books)
    run_all(books, pilot)
    tell(books, task_id, "pause")
    run_stages(books)
    assert adds_up(books)
    assert get_work(books, pilot).jobs == ()
    tell(books, task_id, "resume")
    run_stages(books)
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_a_job_whose_output_is_being_merged_cannot_be_killed(books: Books) -> None:
    a_merging_task(books)
    pilot = a_pilot(books)
    [job, *_] = run_all(books, pilot)
    with pytest.raises(WrongStatus, match="is merging: it has ended"):
        kill_job(books, job.job_id, "alice")
    run_to_the_end(books, pilot)


def test_scouts_are_looked_at_before_they_are_merged(books: Books) -> None:
    task_id = a_merging_task(books, n_files=60, skip_scouts=False, n_files_per_merge_job=None)
    pilot = a_pilot(books)
    run_jobs(books, pilot)
    assert status(books, task_id) == "running"
    run_to_the_end(books, pilot)
    assert status(books, task_id) == "done"


def test_merge_script_gets_the_sandbox_or_what_was_built(books: Books) -> None:
    script = {"merge_script": "./merge -o %OUT -i %IN", "sandbox": a_sandbox(books)}
    a_merging_task(books, n_files=2, **script)
    pilot = a_pilot(books)
    run_all(books, pilot)
    [merge] = run_jobs(books, pilot)
    names = ",".join(i.lfn for i in merge.inputs if i.stream == "IN")
    assert merge.command == f"./merge -o out.txt -i {names}"
    assert (merge.sandbox is not None, merge.lib) == (True, None)
    a_merging_task(books, n_files=2, build_command="make", **script)
    run_jobs(books, pilot)
    run_all(books, pilot)
    [merge] = run_jobs(books, pilot)
    assert (merge.sandbox, merge.lib is not None) == (None, True)


def test_many_outputs_are_settled_by_as_many_statements_as_few(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    # On a slow machine the configuration would be read once more, in one of both cases.
    monkeypatch.setattr("tasks.store.configuration.KEPT_SECONDS", 1e9)
    counts = []
    for n_files in (4, 400):
        a_merging_task(books, n_files=n_files)
        pilot, said = a_pilot(books), []
        jobs = get_work(books, pilot).jobs
        report(books, pilot, *(a_report(job) for job in jobs))
        with listening(books, "before_cursor_execute", lambda *a, s=said: s.append(a[2])):
            run_stages(books, "collect", "merge")
            report(books, pilot, *(a_report(job) for job in get_work(books, pilot).jobs))
            run_stages(books, "collect")
        run_to_the_end(books, pilot)
        counts.append(len(said))
    assert counts[0] == counts[1]


def test_pilot_reads_what_its_merge_job_merges(books: Books) -> None:
    a_merging_task(books, n_files=2)
    pilot, stranger = a_pilot(books), a_pilot(books)
    run_all(books, pilot)
    [merge] = get_work(books, pilot).jobs
    path = "/".join(merge.inputs[0].urls[0].split("/")[-2:])
    endpoint = value(books, "SELECT name FROM storage_endpoint")
    with books.read() as session:
        assert [reads(session, who, endpoint, path) for who in (pilot, stranger)] == [True, False]


def test_why_says_what_merging_waits_for(books: Books) -> None:
    task_id, pilot = a_merging_task(books, n_files=3), a_pilot(books)
    jobs = get_work(books, pilot).jobs
    report(books, pilot, a_report(jobs[0]))
    run_stages(books)
    with books.read() as session:
        assert why_job(session, jobs[0].job_id).summary == (
            "its output waits to be merged: a merge job takes more, and more is to come"
        )
    sql(books, "UPDATE queue SET status = 'offline'")
    report(books, pilot, *(a_report(job) for job in jobs[1:]))
    run_stages(books)
    with books.read() as session:
        found, task = why_job(session, jobs[2].job_id), why_task(session, task_id)
    assert found.summary.startswith("its output waits to be merged: no queue takes the merge job: ")
    assert any("the output of 3 jobs is not merged yet: no queue" in d for d in task.details)
    sql(books, "UPDATE queue SET status = 'online'")
    sql(books, "UPDATE task SET merge_at = created_at")
    run_stages(books)
    with books.read() as session:
        found = why_job(session, jobs[0].job_id)
    assert "has its output; that is activated" in found.summary
    run_to_the_end(books, pilot)


@pytest.mark.parametrize("preset", ["generic", "production"])
def test_merge_waits_for_a_queue_with_disk_for_what_is_merged(books: Books, preset: str) -> None:
    with books.write() as session:
        set_queue(session, "LOCAL", "LOCAL", {"max_disk_mb": 1500})
    task_id, pilot = a_merging_task(books, n_files=1, disk_mb=1000), a_pilot(books)
    [job] = get_work(books, pilot).jobs
    sql(books, "UPDATE queue SET status = 'offline'")
    report(books, pilot, a_report(job))
    run_stages(books)
    sql(books, "UPDATE file SET size_bytes = 1000000000 WHERE status = 'prepared'")
    sql(books, "UPDATE queue SET status = 'online'")
    with books.write() as session:
        set_value(session, "BROKERAGE_PRESET_user", preset, "root")
    with books.read() as session:
        assert "no queue takes the merge job" in why_job(session, job.job_id).summary
    sql(books, "UPDATE task SET merge_at = created_at")
    run_stages(books)
    assert value(books, "SELECT COUNT(*) FROM job WHERE kind = 'merge'") == 0
    with books.write() as session:
        set_queue(session, "LOCAL", "LOCAL", {"max_disk_mb": 6000})
    sql(books, "UPDATE task SET merge_at = created_at")
    run_stages(books)
    [merge] = get_work(books, pilot).jobs
    assert (merge.kind, merge.disk_mb > 4000) == ("merge", True)
    report(books, pilot, a_report(merge))
    run_stages(books)
    assert status(books, task_id) == "done"


def test_files_that_were_merged_leave_the_storage_and_no_others(
    books: Books, tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    task_id, pilot = a_merging_task(books, n_files=3), a_pilot(books)
    jobs = run_all(books, pilot)
    places = {o.lfn: storage.joinpath(*o.url.split("/")[-2:]) for job in jobs for o in job.outputs}
    for path in places.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    stranger = places[jobs[0].outputs[0].lfn].with_name("stranger.txt")
    stranger.write_text("not ours")
    sql(books, "UPDATE storage_endpoint SET directory = :place", place=str(storage))
    assert drop_unmerged(books) == ""
    [merge] = get_work(books, pilot, n_jobs=1).jobs
    for out in merge.outputs:
        path = storage.joinpath(*out.url.split("/")[-2:])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("ten bytes.")
    report(books, pilot, a_report(merge))
    run_stages(books)
    assert drop_unmerged(books) == f"{len(merge.inputs)} unmerged files dropped"
    merged = {i.lfn for i in merge.inputs}
    assert {lfn for lfn, path in places.items() if path.exists()} == places.keys() - merged
    tell(books, task_id, "kill")
    run_stages(books)
    drop_unmerged(books)
    assert [p.name for p in storage.rglob("*") if ".unmerged" in str(p) and p.is_file()] == [
        "stranger.txt"]  # fmt: skip
    assert drop_unmerged(books) == ""


def test_merges_are_wanted_where_the_files_are_until_a_day_has_passed(books: Books) -> None:
    task_id, pilot = a_merging_task(books, n_files=1), a_pilot(books)
    run_all(books, pilot)
    with books.read() as session:
        demand = _merge_demand(session, task_id)
    assert (demand.is_merge, demand.priority, demand.preassigned_queues) == (
        True, 5000, {"LOCAL"})  # fmt: skip
    assert demand.preassigned_skipped_seconds < 3600
    sql(books, "UPDATE job SET modified_at = :past WHERE status = 'merging'", past=PAST)
    with books.read() as session:
        assert _merge_demand(session, task_id).preassigned_skipped_seconds > 86_400


def _merge_demand(session: Session, task_id: int) -> Demand:
    task = session.get_one(Task, task_id)
    return merge_scene(session, task, spec_of(session, task_id), needs_of(task)).demand
