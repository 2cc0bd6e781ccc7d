"""The audit finds each kind of damage, and nothing else: a check that cannot fail is none."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tasks.audit import CHECKS, EXAMPLES, audit
from tasks.queue_changes import set_queue
from tasks.store.books import Books
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
from tests.integration.tasks.scene import run_jobs, run_to_the_end

FINISHED_FILE = (
    "(SELECT MIN(f.id) FROM file f JOIN dataset d ON d.id = f.dataset_id AND d.is_primary "
    "WHERE f.status = 'finished')"
)
OUTPUT = (
    "(SELECT MIN(jf.file_id) FROM job_file jf JOIN job j ON j.id = jf.job_id "
    "WHERE j.status = 'finished' AND jf.kind = 'output')"
)


def _job(status: str, pick: str = "MIN") -> str:
    return f"(SELECT {pick}(id) FROM job WHERE status = '{status}')"


_WORKFLOW = (
    "INSERT INTO workflow (id, name, user_name, idempotency_key, status, reason, version, round, "
    "news, news_seen, may_claim, created_at, modified_at) SELECT 1, 'w', 'alice', 'k', '{status}', "
    "'', 1, 1, 1, 1, may, created_at, modified_at FROM (SELECT id = 0 AS may, created_at, "
    "modified_at FROM task LIMIT 1) t"
)


def _step(number: int, task: str = "NULL", status: str = "done") -> str:
    return (
        "INSERT INTO workflow_step (id, workflow_id, instance, path, step, kind, place, parents, "
        f"status, reason, task_id, n_tasks, created_at, modified_at) SELECT {number}, 1, "
        f"'{number}', 's', 's', 'prun', '', '[]', '{status}', '', {task}, 1, created_at, "
        "modified_at FROM (SELECT created_at, modified_at FROM task LIMIT 1) t"
    )


def _move(noun: str) -> str:
    return (
        "INSERT INTO status_history (noun, entity_id, event, from_status, to_status, actor, "
        f"reason, at) SELECT '{noun}', 1, 'magic', 'done', 'failed', '', '', created_at FROM "
        "(SELECT created_at FROM task LIMIT 1) t"
    )


DAMAGE: dict[str, tuple[list[str], list[tuple[str, str]]]] = {
    "parameters gone": (
        ["DELETE FROM task_parameters WHERE task_id = (SELECT MIN(id) FROM task)"],
        [("I1", "has no parameters")],
    ),
    "job of files gone": (
        ["INSERT INTO job_file (job_id, file_id, dataset_id, kind) VALUES (999, 1, 1, 'log')"],
        [("I1", "has files but no row")],
    ),
    "last job gone": (
        [f"UPDATE file SET job_id = 999 WHERE id = {OUTPUT}"],
        [("I1", "was in job 999, which is not there")],
    ),
    "file of an ended task not final": (
        [f"UPDATE file SET status = 'running' WHERE id = {FINISHED_FILE}"],
        [("I2", "is running, though its task has ended"),
         ("I2", "is running, though a job with it finished"), ("I5", "counters differ")],
    ),
    "credited twice": (
        ["INSERT INTO job_file (job_id, file_id, dataset_id, kind) SELECT "
         f"{_job('finished', 'MAX')}, id, dataset_id, 'input' FROM file "
         f"WHERE id = {FINISHED_FILE}"],
        [("I2", "is finished, credited to 2 jobs")],
    ),
    "output without checksum": (
        [f"UPDATE file SET adler32 = NULL WHERE id = {OUTPUT}"],
        [("I2", "finished without a checksum for output")],
    ),
    "file in two living jobs": (
        ["INSERT INTO job_file (job_id, file_id, dataset_id, kind) SELECT "
         f"{_job('activated')}, file_id, dataset_id, kind FROM job_file "
         f"WHERE job_id = {_job('running')} AND kind = 'input'"],
        [("I3", "is in 2 living jobs")],
    ),
    "fence not raised": (
        ["UPDATE job SET attempt_nr = 1 WHERE retry_of IS NOT NULL"],
        [("I3", "is attempt 1, not above the one before it")],
    ),
    "job without a lease": (
        ["UPDATE job SET lease_expires_at = NULL WHERE status = 'running'"],
        [("I3", "is running without a lease or a pilot")],
    ),
    "build gone": (
        ["DELETE FROM build WHERE lib_file_id IS NULL"],
        [("I7", "waits for a build that is not on its way")],
    ),
    "lib file not there": (
        ["UPDATE job_file SET kind = 'lib_input' WHERE job_id = "
         f"{_job('running')} AND kind = 'input'"],
        [("I2", "unpacks a lib file that is running")],
    ),
    "output of a merging job gone": (
        ["UPDATE file SET status = 'failed' WHERE status = 'prepared'"],
        [("I2", "is merging, and its output is failed"), ("I5", "counters differ")],
    ),
    "merged by nobody": (
        ["UPDATE job_file SET kind = 'none' WHERE kind = 'merge_input'"],
        [("I3", "is merging in 0 living merge jobs"),
         ("I2", "is finished, merged by 0 merge jobs that finished")],
    ),
    "task moved off the graph": (
        ["UPDATE status_history SET event = 'paused_by_magic' WHERE noun = 'task' "
         "AND event = 'refined'"],
        [("I4", "moved registered -paused_by_magic-> defined")],
    ),
    "job moved off the graph": (
        ["UPDATE status_history SET from_status = 'finished' WHERE noun = 'job' "
         "AND event = 'ran'"],
        [("I4", "moved finished -ran-> running")],
    ),
    "task in no status": (
        ["UPDATE task SET status = 'zombie' WHERE status = 'running'"],
        [("I4", "status zombie is not a status"), ("I4", "by its history is another status")],
    ),
    "job in no status": (
        ["UPDATE job SET status = 'zombie' WHERE status = 'closed'"],
        [("I4", "status zombie is not a status"), ("I4", "by its history is another status")],
    ),
    "file in no status": (
        ["UPDATE file SET status = 'zombie' WHERE status = 'running'"],
        [("I4", "status zombie is not a status")],
    ),
    "task moved behind our back": (
        ["UPDATE task SET status = 'pending' WHERE status = 'running'"],
        [("I4", "by its history is another status")],
    ),
    "job moved behind our back": (
        ["UPDATE job SET status = 'starting' WHERE status = 'running'"],
        [("I4", "by its history is another status")],
    ),
    **{
        f"counter {name}": (
            [f"UPDATE dataset SET {name} = {name} + 1 WHERE id = (SELECT MIN(id) FROM dataset)"],
            [("I5", "counters differ from its files")],
        )
        for name in ("n_files", "n_files_used", "n_files_finished", "n_files_failed")
    },
    **{
        f"input's {name}": (
            [f"UPDATE dataset SET {name} = {name} + 1 WHERE kind = 'input'"],
            [("I5", "the size of its input differs from its files")],
        )
        for name in ("n_whole_files", "size_bytes")
    },
    **{
        f"catalogue's {name}": (
            [f"UPDATE catalog_dataset SET {name} = {name} + 1 "
             "WHERE id = (SELECT MIN(id) FROM catalog_dataset)"],
            [("I5", "says ")],
        )
        for name in ("n_files", "size_bytes")
    },
    "too many failures": (
        [f"UPDATE file SET n_failed = max_attempts + 1 WHERE id = {FINISHED_FILE}"],
        [("I6", "failures, more than it may")],
    ),
    "lost too often": (
        [f"UPDATE file SET n_lost = 11 WHERE id = {FINISHED_FILE}"],
        [("I6", "failures, more than it may")],
    ),
    "lease of an ended job": (
        [f"UPDATE job SET lease_expires_at = created_at WHERE id = {_job('finished')}"],
        [("I10", "has ended and holds a lease")],
    ),
    "workflow moved off the graph": (
        [_move("workflow"), _move("step")],
        [("I4", "moved done -magic-> failed")],
    ),
    "workflow in no status": (
        [_WORKFLOW.format(status="zombie"), _step(1, status="undead")],
        [("I4", "status zombie is not a status"), ("I4", "status undead is not a status")],
    ),
    "step of an ended workflow at work": (
        [_WORKFLOW.format(status="done"), _step(1, status="producing")],
        [("I4", "is producing, though its workflow has ended")],
    ),
    "task of two steps": (
        [_WORKFLOW.format(status="running"), _step(1, "(SELECT MIN(id) FROM task)"),
         _step(2, "(SELECT MIN(id) FROM task)")],
        [("I3", "is of 2 steps")],
    ),
    "task of a step gone": (
        [_WORKFLOW.format(status="running"), _step(1, "999")],
        [("I1", "has task 999, which is not there")],
    ),
    "job of an ended task alive": (
        ["UPDATE status_history SET from_status = 'defined', event = 'activated', "
         "to_status = 'activated' WHERE noun = 'job' AND to_status = 'failed' "
         f"AND entity_id = {_job('failed', 'MAX')}",
         f"UPDATE job SET status = 'activated' WHERE id = {_job('failed', 'MAX')}"],
        [("I10", "is activated, though its task has ended")],
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=os.environ.get("CULM_TEST_DATABASES",
                                                      "sqlite,postgresql").split(","))  # fmt: skip
def full_books(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Books]:
    """Books with a done task, a finished one, and one that runs; made once for all damages."""
    from tasks.store import schema, seed

    directory = tmp_path_factory.mktemp("audit")
    url = f"sqlite:///{directory}/culm.db"
    if request.param == "postgresql":
        import psycopg

        server = request.getfixturevalue("postgresql_server")
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = server.replace("/postgres?", f"/{name}?")
    with Books(url) as books:
        schema.upgrade(books)
        seed.seed(books, Path(directory) / "storage")
        with books.write() as session:
            session.connection().exec_driver_sql("UPDATE storage_endpoint SET directory = NULL")
            set_queue(session, "LOCAL", "LOCAL", {"n_slots": 1000})
        _fill(books)
        yield books


def _fill(books: Books) -> None:
    inputs = [{"datasets": [a_dataset(books, 3)]}]
    a_task(books, inputs=inputs, outputs=["out"], max_attempts=1)
    run_to_the_end(books)
    pilot = a_pilot(books)
    a_task(books, inputs=[{"datasets": [a_dataset(books, 2)]}], max_attempts=2)
    run_stages(books)
    run_jobs(books, pilot, "failed", pilot_error_code=1305)
    run_jobs(books, pilot, "failed", pilot_error_code=1305)
    a_task(books, inputs=[{"datasets": [a_dataset(books, 3)]}])
    run_stages(books)
    first, second = get_work(books, pilot, n_jobs=2).jobs
    report(books, pilot, a_report(first, "running"))
    _fill_merging(books, pilot)
    a_task(books, build_command="make", sandbox=a_sandbox(books))
    run_stages(books)
    _close(books, second.job_id)


def _fill_merging(books: Books, pilot: int) -> None:
    """Outputs that are merged, that are being merged, and that wait."""
    changes = {"merge_output": True, "n_files_per_merge_job": 2, "n_files_per_job": 1}
    a_task(books, inputs=[{"datasets": [a_dataset(books, 6)]}], outputs=["out.txt"],
           priority=1100, **changes)  # fmt: skip
    run_stages(books)
    jobs = get_work(books, pilot, n_jobs=6).jobs
    report(books, pilot, *(a_report(job) for job in jobs[:5]))
    run_stages(books)
    [merge] = get_work(books, pilot, n_jobs=1).jobs
    report(books, pilot, a_report(merge))
    run_stages(books)


def _close(books: Books, job_id: int) -> None:
    from tasks.stages.dispatch import sign_off

    assert job_id
    with books.write() as session:
        pilot = session.connection().execute(text("SELECT MAX(id) FROM pilot")).scalar_one()
        sign_off(session, pilot)


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_exactly(full_books: Books, name: str) -> None:
    statements, expected = DAMAGE[name]
    with full_books.write() as session:
        assert audit(session) == []
        touched = 0
        for statement in statements:
            touched += session.connection().execute(text(statement)).rowcount
        assert touched
        findings = audit(session)
        for invariant, words in expected:
            assert [f for f in findings if f.invariant == invariant and words in f.message], words
        assert [
            f for f in findings
            if not any(i == f.invariant and w in f.message for i, w in expected)
        ] == []  # fmt: skip
        session.rollback()


def test_every_check_is_made_to_fail_by_some_damage(full_books: Books) -> None:
    never = set(range(len(CHECKS)))
    for statements, _ in DAMAGE.values():
        with full_books.write() as session:
            for statement in statements:
                session.connection().execute(text(statement))
            never -= {i for i in never if list(CHECKS[i](session))}
            session.rollback()
    assert never == set()


def test_a_check_gives_no_more_than_some_examples(full_books: Books) -> None:
    with full_books.write() as session:
        rows = ", ".join(f"({n}, 1, 1, 'log')" for n in range(1000, 1000 + 2 * EXAMPLES))
        session.connection().execute(
            text(f"INSERT INTO job_file (job_id, file_id, dataset_id, kind) VALUES {rows}")
        )
        assert len(audit(session)) == EXAMPLES
        session.rollback()
