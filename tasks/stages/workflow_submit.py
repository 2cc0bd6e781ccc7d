"""Submission of a workflow: its plan is looked at once more with the books at hand, and stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from culm.core.errors import Conflict, CulmError, FieldFault, InvalidRequest
from culm.wire.codec import encode
from culm.wire.workflow_runs import WorkflowAccepted, WorkflowSubmission
from cwl.plan import Plan, plan_to_json
from cwl.walk import Run, Walk
from tasks.share_rights import NOTHING, ShareRights
from tasks.stages.bulk_submit import make_user
from tasks.stages.submit import faults_of
from tasks.statuses import WorkflowStatus
from tasks.store.books import Books, wake
from tasks.store.bulk import insert_rows
from tasks.store.ids import take_ids
from tasks.store.locks import one_at_a_time
from tasks.store.moves import database_time
from tasks.store.tables import WORKFLOW, WORKFLOW_PLAN
from tasks.store.topics import Topic
from tasks.tables import Sandbox, StatusHistory, Workflow, WorkflowPlan
from tasks.workflows.orders import Owner, spec_of_start
from tasks.workflows.walks import answered
from tasks.workflows.words import words_of

LOOKED_AT = 50
"""So many of the steps that start at once are looked at for what they name; refine looks at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A submission that was loaded: its plan and its inputs."""

    submission: WorkflowSubmission
    plan: Plan
    inputs: Mapping[str, Any]
    warnings: tuple[str, ...] = ()
    rights: ShareRights = NOTHING


def submit_workflow(books: Books, planned: Planned, user: str, key: str) -> WorkflowAccepted:
    """Store a workflow for `user`; the same user and key give the one that is there already.

    Raises:
        InvalidRequest: a step cannot run here, or something that the first ones name is not there.
        Conflict: the key was used for another workflow, or the name is taken.
    """
    name = planned.submission.bundle.name
    digest = _digest(planned.submission)
    starts = Walk(planned.plan, Run(inputs=planned.inputs, name=name), answered).advance()
    with books.write() as session:
        one_at_a_time(session, f"submit/{user}")
        known = _known(session, user, key, digest)
        if known is not None:
            return known
        _check_name(session, name, user)
        faults = list(_faults(session, planned, starts, user))
        if faults:
            raise InvalidRequest(f"workflow {name} cannot be run as asked", faults=faults)
        workflow_id = take_ids(session, "workflow", 1)[0]
        _store(session, workflow_id, planned, user, key)
        session.add(WorkflowPlan(
            workflow_id=workflow_id, plan=plan_to_json(planned.plan), inputs=dict(planned.inputs),
            documents=encode(planned.submission.bundle), digest=digest,
        ))  # fmt: skip
        wake(session, Topic.WORKFLOW_DUE, Topic.WORKFLOW_CHANGED)
    return WorkflowAccepted(
        workflow_id=workflow_id,
        name=name,
        status=WorkflowStatus.REGISTERED,
        created=True,
        warnings=planned.warnings,
    )


def known_workflow(
    books: Books, submission: WorkflowSubmission, user: str, key: str
) -> WorkflowAccepted | None:
    """The workflow that this key made before; None if there is none: then it is to be loaded.

    Raises:
        Conflict: the key was used for another workflow.
    """
    with books.read() as session:
        return _known(session, user, key, _digest(submission))


def _digest(submission: WorkflowSubmission) -> str:
    return hashlib.sha256(json.dumps(encode(submission), sort_keys=True).encode()).hexdigest()


def _known(session: Session, user: str, key: str, digest: str) -> WorkflowAccepted | None:
    row = session.connection().execute(
        select(WORKFLOW.c.id, WORKFLOW.c.name, WORKFLOW.c.status, WORKFLOW_PLAN.c.digest)
        .join(WORKFLOW_PLAN, WORKFLOW_PLAN.c.workflow_id == WORKFLOW.c.id)
        .where(WORKFLOW.c.user_name == user, WORKFLOW.c.idempotency_key == key)
    ).first()  # fmt: skip
    if row is None:
        return None
    if row.digest != digest:
        raise Conflict(f"idempotency key {key} was used for workflow {row.id}, which is another")
    return WorkflowAccepted(workflow_id=row.id, name=row.name, status=row.status, created=False)


def _check_name(session: Session, name: str, user: str) -> None:
    row = session.connection().execute(
        select(WORKFLOW.c.id, WORKFLOW.c.status)
        .where(WORKFLOW.c.user_name == user, WORKFLOW.c.name == name)
    ).first()  # fmt: skip
    if row is not None:
        # Even one that failed: datasets of its steps bear the name.
        raise Conflict(
            f"workflow {row.id} ({row.status}) has the name {name} already",
            hint=f"choose another --outDS, or try it again: culm workflow retry {row.id}",
        )


def _faults(session: Session, planned: Planned, starts: Any, user: str) -> Iterator[FieldFault]:
    sandbox = planned.submission.sandbox
    if sandbox is not None and session.get(Sandbox, sandbox) is None:
        yield FieldFault("sandbox", sandbox, "no such sandbox here: upload it first")
        return
    owner = Owner(
        user=user, workflow=planned.submission.bundle.name, sandbox=sandbox,
        rights=planned.rights, plan=planned.plan,
    )  # fmt: skip
    for start in starts[:LOOKED_AT]:
        where = f"{start.place} {start.path}"
        try:
            spec = spec_of_start(start, owner, None)
        except CulmError as error:
            yield FieldFault(where, start.step, words_of(error))
            continue
        for fault in faults_of(session, spec, user):
            yield FieldFault(f"{where} {fault.field}", fault.value, fault.needed)


def _store(session: Session, workflow_id: int, planned: Planned, user: str, key: str) -> None:
    now = database_time(session)
    make_user(session, user)
    session.add(Workflow(
        id=workflow_id, name=planned.submission.bundle.name, user_name=user, idempotency_key=key,
        may_claim=planned.rights.may_claim, vo=planned.rights.vo,
        production_groups=list(planned.rights.groups), sandbox=planned.submission.sandbox,
        created_at=now, modified_at=now,
    ))  # fmt: skip
    session.flush()
    insert_rows(
        session, StatusHistory,
        ("noun", "entity_id", "event", "from_status", "to_status", "actor", "reason"),
        [("workflow", workflow_id, "submitted", "", str(WorkflowStatus.REGISTERED), user, "")],
        now=now,
    )  # fmt: skip
