"""What clients of PanDA's sent: archives by name, tasks in their own words

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    # Each submission asks whether its name is taken.
    op.create_index("task_name", "task", ["user_name", "name"])
    op.create_table(
        "cache_file",
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("crc32", ID, nullable=False),
        sa.Column("size_bytes", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("owner", "name"),
    )
    op.create_index("cache_file_content", "cache_file", ["owner", "crc32", "size_bytes"])
    op.create_index("cache_file_name", "cache_file", ["name"])
    op.create_table(
        "task_original",
        sa.Column("task_id", ID, nullable=False),
        sa.Column("document", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"]),
        sa.PrimaryKeyConstraint("task_id"),
    )


def downgrade() -> None:
    op.drop_table("task_original")
    op.drop_table("cache_file")
    op.drop_index("task_name", "task")
