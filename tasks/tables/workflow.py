"""workflow, workflow_plan and workflow_step: documents that became a plan, and its instances."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, Text, text
from sqlmodel import Field, SQLModel

from tasks.statuses import StepStatus, WorkflowStatus
from tasks.tables.columns import DOCUMENT, ID, UtcDateTime, db_now

DUE = "news <> news_seen"


class Workflow(SQLModel, table=True):
    """A workflow. Its id is a request id: small, for tasks begin at 10000001.

    `version` rises with every change that a watcher may care about, `round` with every retry,
    `news` with everything that its agent must look at; `news_seen` is how far it did. `may_claim`:
    its owner may say for whose share its tasks count; `vo` and `production_groups` are the owner's
    organisation and the working groups that they run production for there. `outputs` are there
    once it has ended.
    """

    __tablename__ = "workflow"
    __table_args__ = (
        Index("workflow_key", "user_name", "idempotency_key", unique=True),
        Index("workflow_due", "id", sqlite_where=text(DUE), postgresql_where=text(DUE)),
        Index("workflow_owner", "user_name", "id"),
    )

    id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    name: str = Field(max_length=255)
    user_name: str = Field(max_length=63)
    idempotency_key: str = Field(max_length=64)
    status: str = Field(default=WorkflowStatus.REGISTERED, max_length=16)
    reason: str = Field(default="", sa_type=Text)
    version: int = Field(default=1, sa_type=ID)
    round: int = 1
    news: int = Field(default=1, sa_type=ID)
    news_seen: int = Field(default=0, sa_type=ID)
    may_claim: bool = False
    vo: str = Field(default="", max_length=63)
    production_groups: list[str] = Field(default_factory=list, sa_type=DOCUMENT)
    sandbox: str | None = Field(default=None, max_length=64)
    created_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    modified_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    started_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    outputs: dict[str, Any] | None = Field(default=None, sa_type=DOCUMENT)


class WorkflowPlan(SQLModel, table=True):
    """The plan of a workflow and its inputs, as they were loaded; the documents as submitted."""

    __tablename__ = "workflow_plan"

    workflow_id: int = Field(sa_type=ID, primary_key=True, foreign_key="workflow.id")
    plan: dict[str, Any] = Field(sa_type=DOCUMENT)
    inputs: dict[str, Any] = Field(sa_type=DOCUMENT)
    documents: dict[str, Any] = Field(sa_type=DOCUMENT)
    digest: str = Field(max_length=64)


class WorkflowStep(SQLModel, table=True):
    """An instance of a step: one a scatter branch and an iteration, each with a task of its own.

    `instance` is what the walk over the plan calls it, always the same; `path` says where it is
    (`work_loop#2/merge`). `outcome` holds what a junction decided.
    """

    __tablename__ = "workflow_step"
    __table_args__ = (
        Index("workflow_step_instance", "workflow_id", "instance", unique=True),
        Index("workflow_step_task", "task_id"),
    )

    id: int = Field(sa_type=ID, primary_key=True, sa_column_kwargs={"autoincrement": False})
    workflow_id: int = Field(sa_type=ID, foreign_key="workflow.id")
    instance: str = Field(sa_type=Text)
    path: str = Field(sa_type=Text)
    step: str = Field(sa_type=Text)
    kind: str = Field(max_length=16)
    place: str = Field(default="", sa_type=Text)
    parents: list[str] = Field(default_factory=list, sa_type=DOCUMENT)
    status: str = Field(default=StepStatus.SUBMITTED, max_length=16)
    reason: str = Field(default="", sa_type=Text)
    task_id: int | None = Field(default=None, sa_type=ID)
    n_tasks: int = 0
    outcome: dict[str, Any] | None = Field(default=None, sa_type=DOCUMENT)
    created_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    modified_at: datetime = Field(sa_type=UtcDateTime, sa_column_kwargs={"default": db_now()})
    ended_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
