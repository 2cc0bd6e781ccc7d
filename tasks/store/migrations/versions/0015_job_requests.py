"""Requests to running jobs

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
WAITS = sa.text("answered_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "job_request",
        sa.Column("id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("path", sa.String(length=1024), nullable=False),
        sa.Column("n_lines", sa.Integer(), nullable=False),
        sa.Column("user_name", sa.String(length=63), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("answered_at", TIME, nullable=True),
        sa.Column("is_good", sa.Boolean(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "job_request_waiting", "job_request", ["job_id"], unique=False, sqlite_where=WAITS,
        postgresql_where=WAITS,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_table("job_request")
