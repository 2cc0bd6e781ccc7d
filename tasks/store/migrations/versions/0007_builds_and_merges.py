"""Kinds of job; what a task builds at each queue; when its output may be merged

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_SERVING = sa.text("kind IN ('build', 'merge')")


def upgrade() -> None:
    op.create_table(
        "build",
        sa.Column("task_id", ID, sa.ForeignKey("task.id"), nullable=False),
        sa.Column("queue_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("lib_file_id", ID, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("n_failed", sa.Integer(), nullable=False),
        sa.Column("n_lost", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "queue_id"),
    )
    op.add_column(
        "job", sa.Column("kind", sa.String(length=16), nullable=False, server_default="run")
    )
    op.create_index(
        "job_of_kind", "job", ["task_id", "id"],
        sqlite_where=_SERVING, postgresql_where=_SERVING,
    )  # fmt: skip
    op.add_column("task", sa.Column("merge_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("task", "merge_at")
    op.drop_index("job_of_kind", "job")
    op.drop_column("job", "kind")
    op.drop_table("build")
