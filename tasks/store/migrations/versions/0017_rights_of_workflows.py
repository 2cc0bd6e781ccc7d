"""Rights of workflows

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column(
        "workflow", sa.Column("vo", sa.String(length=63), nullable=False, server_default="")
    )
    op.add_column(
        "workflow",
        sa.Column("production_groups", DOCUMENT, nullable=False, server_default="[]"),
    )


def downgrade() -> None:
    with op.batch_alter_table("workflow") as table:
        table.drop_column("production_groups")
        table.drop_column("vo")
