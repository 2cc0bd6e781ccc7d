"""Settle ended jobs: each kind in its own way, in bulk, in the transaction that moves them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import select
from sqlmodel import Session

from tasks.stages import settle_builds, settle_merges, settle_runs
from tasks.stages.settle_runs import PRIMARY, WRITTEN
from tasks.statuses import JobKind
from tasks.store.bulk import id_in
from tasks.store.tables import JOB, JOB_SERVES
from tasks.tables import Task

__all__ = [
    "PRIMARY",
    "WRITTEN",
    "serving_kinds",
    "settle_failed",
    "settle_succeeded",
    "settle_unrun",
]


def settle_succeeded(session: Session, task: Task, job_ids: Sequence[int]) -> None:
    """Credit the input of succeeded jobs, catalogue their outputs, let those go on that wait."""
    settle_runs.settle_succeeded(session, task, job_ids)
    kinds = serving_kinds(session, task, job_ids)
    if builds := _of_kind(kinds, JobKind.BUILD):
        settle_builds.settle_built(session, task, builds)
    if merges := _of_kind(kinds, JobKind.MERGE):
        settle_merges.settle_merged(session, task, merges)


def settle_failed(session: Session, task: Task, spends: Mapping[int, bool]) -> None:
    """Give back or end what failed jobs had; their outputs have failed.

    `spends` says for each job whether the failure uses up one of the owner's attempts.
    """
    kinds = serving_kinds(session, task, spends)
    runs = {job_id: spent for job_id, spent in spends.items() if job_id not in kinds}
    settle_runs.settle_failed(session, task, runs)
    if builds := _of_kind(kinds, JobKind.BUILD):
        settle_builds.settle_unbuilt(session, task, {i: spends[i] for i in builds})
    if merges := _of_kind(kinds, JobKind.MERGE):
        settle_merges.settle_unmerged(session, task, {i: spends[i] for i in merges})


def settle_unrun(session: Session, task: Task, job_ids: Sequence[int]) -> None:
    """Give back what jobs had that never ran: no attempt of anybody's is spent."""
    kinds = serving_kinds(session, task, job_ids)
    settle_runs.settle_unrun(session, task, [i for i in job_ids if i not in kinds])
    if builds := _of_kind(kinds, JobKind.BUILD):
        settle_builds.settle_unstarted(session, task, builds)
    if merges := _of_kind(kinds, JobKind.MERGE):
        settle_merges.settle_unstarted(session, task, merges)


def serving_kinds(session: Session, task: Task, job_ids: Collection[int]) -> dict[int, str]:
    """The kinds of those of the jobs that process no input themselves."""
    if not job_ids:
        return {}
    rows = session.connection().execute(
        select(JOB.c.id, JOB.c.kind)
        .where(JOB.c.task_id == task.id, JOB_SERVES, id_in(JOB.c.id, job_ids, session))
    )  # fmt: skip
    return {row.id: row.kind for row in rows}


def _of_kind(kinds: Mapping[int, str], kind: JobKind) -> list[int]:
    return sorted(job_id for job_id, found in kinds.items() if found == kind)
