"""Targets say how big a worker has to be

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Targets are worked out anew every two minutes: what stands there now may be small."""
    memory = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column(
        "worker_target",
        sa.Column("core_count", sa.Integer(), nullable=False, server_default="1"),
    )
    op.add_column(
        "worker_target", sa.Column("memory_mb", memory, nullable=False, server_default="2000")
    )


def downgrade() -> None:
    """Take the columns away."""
    op.drop_column("worker_target", "core_count")
    op.drop_column("worker_target", "memory_mb")
