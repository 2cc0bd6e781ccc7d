"""What PanDA's harvesters tell

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "harvester",
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("details", DOCUMENT, nullable=False),
        sa.Column("last_heard_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "harvester_worker",
        sa.Column("harvester", sa.String(length=50), nullable=False),
        sa.Column("worker_id", ID, autoincrement=False, nullable=False),
        sa.Column("queue_name", sa.String(length=63), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("details", DOCUMENT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("harvester", "worker_id"),
    )
    op.create_table(
        "harvester_count",
        sa.Column("harvester", sa.String(length=50), nullable=False),
        sa.Column("queue_name", sa.String(length=63), nullable=False),
        sa.Column("counts", DOCUMENT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("harvester", "queue_name"),
    )
    op.create_table(
        "harvester_message",
        sa.Column("id", ID, nullable=False),
        sa.Column("harvester", sa.String(length=50), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("level", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("harvester_message_of", "harvester_message", ["harvester", "id"], unique=False)


def downgrade() -> None:
    for name in ("message", "count", "worker"):
        op.drop_table(f"harvester_{name}")
    op.drop_table("harvester")
