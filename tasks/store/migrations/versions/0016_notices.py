"""Notices of the end of tasks, and where users want them

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
WAITS = sa.text("sent_at IS NULL AND given_up_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "notice_address",
        sa.Column("id", ID, nullable=False),
        sa.Column("user_name", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("target", sa.String(length=500), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "notice_address_of", "notice_address", ["user_name", "kind", "target"], unique=True
    )
    op.create_table(
        "notice",
        sa.Column("id", ID, nullable=False),
        sa.Column("task_id", ID, nullable=False),
        sa.Column("task_version", ID, nullable=False),
        sa.Column("address_id", ID, nullable=False),
        sa.Column("user_name", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("target", sa.String(length=500), nullable=False),
        sa.Column("n_tries", sa.Integer(), nullable=False),
        sa.Column("next_try_at", TIME, nullable=False),
        sa.Column("made_at", TIME, nullable=False),
        sa.Column("sent_at", TIME, nullable=True),
        sa.Column("given_up_at", TIME, nullable=True),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("notice_once", "notice", ["task_id", "task_version", "address_id"], unique=True)
    op.create_index(
        "notice_due", "notice", ["next_try_at"], sqlite_where=WAITS, postgresql_where=WAITS
    )


def downgrade() -> None:
    op.drop_table("notice")
    op.drop_table("notice_address")
