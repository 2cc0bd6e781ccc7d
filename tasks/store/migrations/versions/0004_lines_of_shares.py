"""Waiting jobs stand in a line for each share

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WAITING = "status = 'activated'"


def _line(*columns: str) -> None:
    op.drop_index("job_waiting", "job")
    terms = [sa.text(column) for column in columns]
    op.create_index(
        "job_waiting",
        "job",
        terms,
        sqlite_where=sa.text(WAITING),
        postgresql_where=sa.text(WAITING),
    )


def upgrade() -> None:
    _line("queue_id", "share_name", "priority DESC", "id")


def downgrade() -> None:
    _line("queue_id", "priority DESC", "id")
