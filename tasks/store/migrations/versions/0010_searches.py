"""Hyperparameter searches, and results of jobs

Revision ID: 0010
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "search",
        sa.Column("task_id", ID, nullable=False),
        sa.Column("seed", ID, nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("n_jobs_before", sa.Integer(), nullable=False),
        sa.Column("seen_version", ID, nullable=False),
        sa.Column("looked_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"]),
        sa.PrimaryKeyConstraint("task_id"),
    )
    op.create_table(
        "search_point",
        sa.Column("file_id", ID, nullable=False),
        sa.Column("task_id", ID, nullable=False),
        sa.Column("segment", sa.String(length=63), nullable=False),
        sa.Column("point_nr", sa.Integer(), nullable=False),
        sa.Column("parameters", DOCUMENT, nullable=False),
        sa.Column("loss", sa.Float(), nullable=True),
        sa.Column("is_hopeless", sa.Boolean(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("evaluated_at", TIME, nullable=True),
        sa.Column("checkpoint_name", sa.String(length=128), nullable=False),
        sa.Column("checkpoint_bytes", ID, nullable=False),
        sa.Column("checkpoint_adler32", sa.String(length=8), nullable=False),
        sa.PrimaryKeyConstraint("file_id"),
    )
    op.create_index(
        "search_point_nr", "search_point", ["task_id", "segment", "point_nr"], unique=True
    )
    op.add_column(
        "task", sa.Column("is_search", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("job_metadata", sa.Column("result", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("job_metadata", "result")
    op.drop_column("task", "is_search")
    op.drop_table("search_point")
    op.drop_table("search")
