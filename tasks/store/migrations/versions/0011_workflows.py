"""Workflows, their plans and the instances of their steps

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
DUE = sa.text("news <> news_seen")


def upgrade() -> None:
    op.create_table(
        "workflow",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("user_name", sa.String(length=63), nullable=False),
        sa.Column("idempotency_key", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("version", ID, nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("news", ID, nullable=False),
        sa.Column("news_seen", ID, nullable=False),
        sa.Column("may_claim", sa.Boolean(), nullable=False),
        sa.Column("sandbox", sa.String(length=64), nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("modified_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("outputs", DOCUMENT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("workflow_key", "workflow", ["user_name", "idempotency_key"], unique=True)
    op.create_index("workflow_due", "workflow", ["id"], sqlite_where=DUE, postgresql_where=DUE)
    op.create_index("workflow_owner", "workflow", ["user_name", "id"])
    op.create_table(
        "workflow_plan",
        sa.Column("workflow_id", ID, nullable=False),
        sa.Column("plan", DOCUMENT, nullable=False),
        sa.Column("inputs", DOCUMENT, nullable=False),
        sa.Column("documents", DOCUMENT, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflow.id"]),
        sa.PrimaryKeyConstraint("workflow_id"),
    )
    op.create_table(
        "workflow_step",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("workflow_id", ID, nullable=False),
        sa.Column("instance", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("parents", DOCUMENT, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("task_id", ID, nullable=True),
        sa.Column("n_tasks", sa.Integer(), nullable=False),
        sa.Column("outcome", DOCUMENT, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("modified_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.ForeignKeyConstraint(["workflow_id"], ["workflow.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "workflow_step_instance", "workflow_step", ["workflow_id", "instance"], unique=True
    )
    op.create_index("workflow_step_task", "workflow_step", ["task_id"])


def downgrade() -> None:
    op.drop_table("workflow_step")
    op.drop_table("workflow_plan")
    op.drop_table("workflow")
