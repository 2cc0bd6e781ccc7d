"""The audit: invariants I1 to I7 and I10 of spec/reliability.md, checked on the books.

One function for tests (after every step), for operators (`culm audit`) and for the API. Each
check is one or a few statements over all rows, never a query a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlmodel import Session

from tasks.lifecycles import FILE, JOB, STEP, TASK, WORKFLOW, Machine
from tasks.retry_rules import MAX_LOST

EXAMPLES = 20
"""The most findings that one check gives."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that breaks an invariant."""

    invariant: str
    entity: str
    message: str


def audit(session: Session) -> list[Finding]:
    """Every finding, at most 20 a check; empty if the books add up.

    Sound at any moment between transactions, also while work goes on: run it in one reading
    transaction.
    """
    return [finding for check in CHECKS for finding in check(session)]


Check = Callable[[Session], Iterator[Finding]]


def _words(machine: Machine) -> str:
    return ", ".join(f"'{status}'" for status in sorted(machine.final))


def _rows(invariant: str, noun: str, message: str, sql: str) -> Check:
    """A check whose statement selects (id, detail) of the rows that break the invariant."""

    def check(session: Session) -> Iterator[Finding]:
        rows = session.connection().execute(text(f"{sql} LIMIT {EXAMPLES}"))
        for entity_id, detail in rows:
            yield Finding(invariant, f"{noun} {entity_id}", message.format(detail=detail))

    return check


def _graph(noun: str, machine: Machine) -> Check:
    """I4: every move in the history is one of the machine's."""

    def check(session: Session) -> Iterator[Finding]:
        rows = session.connection().execute(text(
            "SELECT event, from_status, to_status, MIN(entity_id) FROM status_history "
            "WHERE noun = :noun AND from_status <> '' GROUP BY event, from_status, to_status"
        ), {"noun": noun})  # fmt: skip
        legal = {(str(e), str(s), str(to)) for (s, e), to in machine.moves.items()}
        for event, start, to, entity_id in rows:
            if (event, start, to) not in legal:
                yield Finding("I4", f"{noun} {entity_id}", f"moved {start} -{event}-> {to}")

    return check


def _known_status(noun: str, machine: Machine, table: str = "") -> Check:
    statuses = {str(s) for s in machine.moves.values()} | {str(s) for s in machine.initial}

    def check(session: Session) -> Iterator[Finding]:
        rows: Any = session.connection().execute(
            text(f"SELECT status, MIN(id) FROM {table or noun} GROUP BY status")
        )
        for status, entity_id in rows:
            if status not in statuses:
                yield Finding("I4", f"{noun} {entity_id}", f"status {status} is not a status")

    return check


_T, _J, _F = _words(TASK), _words(JOB), _words(FILE)
_W, _S = _words(WORKFLOW), _words(STEP)
_PRIMARY = "JOIN dataset d ON d.id = f.dataset_id AND d.is_primary JOIN task t ON t.id = d.task_id"
_LAST = (
    "SELECT h.entity_id, h.to_status FROM status_history h WHERE h.noun = '{noun}' AND h.id = "
    "(SELECT MAX(h2.id) FROM status_history h2 WHERE h2.noun = '{noun}' "
    "AND h2.entity_id = h.entity_id)"
)
_SUMS = (
    "SELECT dataset_id, COUNT(*) AS n, "
    "SUM(CASE WHEN status <> 'ready' THEN 1 ELSE 0 END) AS used, "
    "SUM(CASE WHEN status = 'finished' THEN 1 ELSE 0 END) AS finished, "
    "SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END) AS failed, "
    "SUM(CASE WHEN start_event = 0 THEN 1 ELSE 0 END) AS whole, "
    "SUM(CASE WHEN start_event = 0 THEN size_bytes ELSE 0 END) AS bytes "
    "FROM file GROUP BY dataset_id"
)
_CREDITED = (
    "SELECT jf.file_id, COUNT(*) AS n FROM job_file jf JOIN job j ON j.id = jf.job_id "
    "WHERE j.status = 'finished' AND jf.kind IN ('input', 'seq_number') GROUP BY jf.file_id"
)

CHECKS: tuple[Check, ...] = (
    _rows("I1", "task", "has no parameters{detail}",
          "SELECT t.id, '' FROM task t LEFT JOIN task_parameters p ON p.task_id = t.id "
          "WHERE p.task_id IS NULL"),
    _rows("I1", "job", "has files but no row{detail}",
          "SELECT DISTINCT jf.job_id, '' FROM job_file jf LEFT JOIN job j ON j.id = jf.job_id "
          "WHERE j.id IS NULL"),
    _rows("I1", "file", "was in job {detail}, which is not there",
          "SELECT f.id, f.job_id FROM file f LEFT JOIN job j ON j.id = f.job_id "
          "WHERE f.job_id IS NOT NULL AND j.id IS NULL"),
    _rows("I2", "file", "is {detail}, though its task has ended",
          f"SELECT f.id, f.status FROM file f {_PRIMARY} "
          f"WHERE t.status IN ({_T}) AND t.status <> 'exhausted' AND f.status NOT IN ({_F})"),
    _rows("I2", "file", "is finished, credited to {detail} jobs",
          f"SELECT f.id, COALESCE(c.n, 0) FROM file f {_PRIMARY} "
          f"LEFT JOIN ({_CREDITED}) c ON c.file_id = f.id "
          "WHERE f.status = 'finished' AND COALESCE(c.n, 0) <> 1"),
    _rows("I2", "file", "is {detail}, though a job with it finished",
          f"SELECT f.id, f.status FROM file f {_PRIMARY} JOIN ({_CREDITED}) c ON c.file_id = f.id "
          "WHERE f.status <> 'finished'"),
    _rows("I2", "job", "finished without a checksum for output {detail}",
          "SELECT j.id, f.lfn FROM job j JOIN job_file jf ON jf.job_id = j.id "
          "JOIN file f ON f.id = jf.file_id WHERE j.status = 'finished' "
          "AND jf.kind IN ('output', 'log', 'lib', 'tmpl_output', 'tmpl_log') "
          "AND (f.adler32 IS NULL OR f.status <> 'finished')"),
    _rows("I3", "file", "is in {detail} living jobs",
          "SELECT jf.file_id, COUNT(*) FROM job_file jf JOIN job j ON j.id = jf.job_id "
          f"JOIN dataset d ON d.id = jf.dataset_id AND d.is_primary "
          f"WHERE j.status NOT IN ({_J}) GROUP BY jf.file_id HAVING COUNT(*) > 1"),
    _rows("I3", "job", "is attempt {detail}, not above the one before it",
          "SELECT j.id, j.attempt_nr FROM job j JOIN job b ON b.id = j.retry_of "
          "WHERE j.attempt_nr <= b.attempt_nr"),
    _rows("I3", "job", "is {detail} without a lease or a pilot",
          "SELECT j.id, j.status FROM job j WHERE j.status IN ('sent', 'starting', 'running') "
          "AND (j.lease_expires_at IS NULL OR j.pilot_id IS NULL)"),
    _rows("I7", "job", "waits for a build that is not on its way{detail}",
          "SELECT j.id, '' FROM job j LEFT JOIN build b ON b.task_id = j.task_id "
          "AND b.queue_id = j.queue_id AND b.lib_file_id IS NULL AND b.reason = '' "
          f"LEFT JOIN job bj ON bj.id = b.job_id AND bj.status NOT IN ({_J}) "
          "WHERE j.status = 'defined' AND bj.id IS NULL"),
    _rows("I2", "job", "unpacks a lib file that is {detail}",
          "SELECT jf.job_id, f.status FROM job_file jf JOIN file f ON f.id = jf.file_id "
          "WHERE jf.kind = 'lib_input' AND f.status <> 'finished'"),
    _rows("I2", "job", "is merging, and its output is {detail}",
          "SELECT j.id, f.status FROM job j JOIN job_file jf ON jf.job_id = j.id "
          "AND jf.kind IN ('tmpl_output', 'tmpl_log') JOIN file f ON f.id = jf.file_id "
          "WHERE j.status = 'merging' AND f.status NOT IN ('prepared', 'merging')"),
    _rows("I3", "file", "is {detail} living merge jobs",
          "SELECT f.id, f.status || ' in ' || COALESCE(m.n, 0) FROM file f LEFT JOIN "
          "(SELECT jf.file_id, COUNT(*) AS n "
          "FROM job_file jf JOIN job j ON j.id = jf.job_id AND j.kind = 'merge' "
          f"WHERE jf.kind = 'merge_input' AND j.status NOT IN ({_J}) GROUP BY jf.file_id) m "
          "ON m.file_id = f.id WHERE (f.status = 'merging' AND COALESCE(m.n, 0) <> 1) "
          "OR (f.status = 'prepared' AND m.n IS NOT NULL)"),
    _rows("I2", "file", "is {detail} merge jobs that finished",
          "SELECT f.id, f.status || ', merged by ' || COALESCE(m.n, 0) FROM file f "
          "JOIN dataset d ON d.id = f.dataset_id "
          "AND d.kind IN ('tmpl_output', 'tmpl_log') LEFT JOIN (SELECT jf.file_id, "
          "COUNT(*) AS n FROM job_file jf JOIN job j ON j.id = jf.job_id "
          "WHERE jf.kind = 'merge_input' AND j.status = 'finished' GROUP BY jf.file_id) m "
          "ON m.file_id = f.id WHERE (f.status = 'finished' AND COALESCE(m.n, 0) <> 1) "
          "OR (f.status <> 'finished' AND m.n IS NOT NULL)"),
    _graph("task", TASK),
    _graph("job", JOB),
    _known_status("task", TASK),
    _known_status("job", JOB),
    _known_status("file", FILE),
    _graph("workflow", WORKFLOW),
    _graph("step", STEP),
    _known_status("workflow", WORKFLOW),
    _known_status("step", STEP, "workflow_step"),
    _rows("I4", "step", "is {detail}, though its workflow has ended",
          "SELECT s.id, s.status FROM workflow_step s JOIN workflow w ON w.id = s.workflow_id "
          f"WHERE w.status IN ({_W}) AND s.status NOT IN ({_S})"),
    _rows("I3", "task", "is of {detail} steps",
          "SELECT task_id, COUNT(*) FROM workflow_step WHERE task_id IS NOT NULL "
          "GROUP BY task_id HAVING COUNT(*) > 1"),
    _rows("I1", "step", "has task {detail}, which is not there",
          "SELECT s.id, s.task_id FROM workflow_step s LEFT JOIN task t ON t.id = s.task_id "
          "WHERE s.task_id IS NOT NULL AND t.id IS NULL"),
    _rows("I4", "task", "{detail} by its history is another status",
          f"SELECT t.id, l.to_status FROM task t JOIN ({_LAST.format(noun='task')}) l "
          "ON l.entity_id = t.id WHERE l.to_status <> t.status"),
    _rows("I4", "job", "{detail} by its history is another status",
          f"SELECT j.id, l.to_status FROM job j JOIN ({_LAST.format(noun='job')}) l "
          "ON l.entity_id = j.id WHERE l.to_status <> j.status"),
    _rows("I5", "dataset", "counters differ from its files: {detail}",
          "SELECT d.id, 'n_files ' || d.n_files || ' of ' || COALESCE(s.n, 0) || ', used ' || "
          "d.n_files_used || ' of ' || COALESCE(s.used, 0) || ', finished ' || "
          "d.n_files_finished || ' of ' || COALESCE(s.finished, 0) || ', failed ' || "
          f"d.n_files_failed || ' of ' || COALESCE(s.failed, 0) FROM dataset d "
          f"LEFT JOIN ({_SUMS}) s ON s.dataset_id = d.id "
          "WHERE d.n_files <> COALESCE(s.n, 0) OR d.n_files_used <> COALESCE(s.used, 0) OR "
          "d.n_files_finished <> COALESCE(s.finished, 0) OR "
          "d.n_files_failed <> COALESCE(s.failed, 0)"),
    _rows("I5", "dataset", "the size of its input differs from its files: {detail}",
          "SELECT d.id, d.n_whole_files || ' of ' || COALESCE(s.whole, 0) || ' files, ' || "
          "d.size_bytes || ' of ' || COALESCE(s.bytes, 0) || ' bytes' FROM dataset d "
          f"LEFT JOIN ({_SUMS}) s ON s.dataset_id = d.id WHERE d.kind = 'input' AND ("
          "d.n_whole_files <> COALESCE(s.whole, 0) OR d.size_bytes <> COALESCE(s.bytes, 0))"),
    _rows("I5", "catalogue dataset", "says {detail} files",
          "SELECT d.name, d.n_files FROM catalog_dataset d LEFT JOIN (SELECT dataset_id, "
          "COUNT(*) AS n, SUM(size_bytes) AS bytes FROM catalog_file GROUP BY dataset_id) s "
          "ON s.dataset_id = d.id WHERE d.n_files <> COALESCE(s.n, 0) "
          "OR d.size_bytes <> COALESCE(s.bytes, 0)"),
    _rows("I6", "file", "has {detail} failures, more than it may",
          f"SELECT f.id, f.n_failed FROM file f WHERE f.n_failed > f.max_attempts "
          f"OR f.n_lost > {MAX_LOST}"),
    _rows("I10", "job", "has ended and holds a lease until {detail}",
          f"SELECT j.id, j.lease_expires_at FROM job j WHERE j.status IN ({_J}) "
          "AND j.lease_expires_at IS NOT NULL"),
    _rows("I10", "job", "is {detail}, though its task has ended",
          "SELECT j.id, j.status FROM job j JOIN task t ON t.id = j.task_id "
          f"WHERE t.status IN ({_T}) AND t.status <> 'exhausted' AND j.status NOT IN ({_J})"),
)  # fmt: skip
