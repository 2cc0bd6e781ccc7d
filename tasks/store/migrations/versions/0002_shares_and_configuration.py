"""Shares and configuration

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)


def _text(name: str, length: int, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=null)


def _tag(name: str, length: int, default: str) -> sa.Column[str]:
    return sa.Column(name, sa.String(length=length), nullable=False, server_default=default)


def upgrade() -> None:
    op.create_table(
        "configuration",
        _text("app", 64),
        _text("component", 64),
        _text("key", 128),
        _text("vo", 64),
        _text("value", 255),
        _text("type", 8),
        sa.Column("description", sa.Text(), nullable=False),
        _text("changed_by", 63),
        sa.Column("changed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("app", "component", "key", "vo"),
    )
    op.create_table(
        "configuration_history",
        sa.Column("id", ID, nullable=False),
        _text("key", 128),
        _text("vo", 64),
        _text("old_value", 255, null=True),
        _text("new_value", 255, null=True),
        _text("user_name", 63),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("configuration_history_of", "configuration_history", ["key", "id"])
    op.create_table(
        "share_rule",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        _text("share_name", 64),
        _text("vo", 255),
        _text("activity", 255),
        _text("working_group", 255),
        _text("processing_type", 255),
        _text("campaign", 255),
        _text("user_name", 255),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "resource_type",
        _text("name", 32),
        sa.Column("min_cores", sa.Integer(), nullable=False),
        sa.Column("max_cores", sa.Integer(), nullable=True),
        sa.Column("min_memory_mb_per_core", sa.Integer(), nullable=False),
        sa.Column("max_memory_mb_per_core", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "share_statistics",
        _text("share_name", 64),
        _text("resource_type", 32),
        sa.Column("queue_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n_queued", ID, nullable=False),
        sa.Column("n_running", ID, nullable=False),
        sa.Column("queued_hs06", sa.Float(), nullable=False),
        sa.Column("used_hs06", sa.Float(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("share_name", "resource_type", "queue_id"),
    )
    op.create_table(
        "dataset_locality",
        sa.Column("dataset_id", ID, autoincrement=False, nullable=False),
        sa.Column("endpoint_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("task_id", ID, nullable=False),
        sa.Column("n_files", sa.Integer(), nullable=False),
        sa.Column("size_bytes", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("dataset_id", "endpoint_id"),
    )
    op.create_index("locality_of_task", "dataset_locality", ["task_id"])
    op.create_table(
        "preassignment",
        sa.Column("task_id", ID, autoincrement=False, nullable=False),
        sa.Column("queue_id", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("task_id"),
    )
    op.create_table(
        "worker_target",
        sa.Column("queue_id", sa.Integer(), autoincrement=False, nullable=False),
        _text("resource_type", 32),
        sa.Column("n_workers", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("queue_id", "resource_type"),
    )
    op.add_column("task", _tag("resource_type", 32, "SCORE"))
    op.add_column("task", _tag("activity", 32, "user"))
    op.add_column("task", _tag("working_group", 63, ""))
    op.add_column("job", _tag("resource_type", 32, "SCORE"))


def downgrade() -> None:
    op.drop_column("job", "resource_type")
    op.drop_column("task", "working_group")
    op.drop_column("task", "activity")
    op.drop_column("task", "resource_type")
    for name in (
        "worker_target", "preassignment", "dataset_locality", "share_statistics",
        "resource_type", "share_rule", "configuration_history", "configuration",
    ):  # fmt: skip
        op.drop_table(name)
