"""Nuclei: decisions about them, downtimes, and how much input a task has

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
SIZES = """
UPDATE dataset SET
  n_whole_files = (SELECT count(*) FROM file WHERE dataset_id = dataset.id AND start_event = 0),
  size_bytes = (SELECT coalesce(sum(size_bytes), 0) FROM file
                WHERE dataset_id = dataset.id AND start_event = 0)
WHERE kind = 'input'"""


def upgrade() -> None:
    op.create_table(
        "nucleus_decision",
        sa.Column("task_id", ID, sa.ForeignKey("task.id"), nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("ranking", DOCUMENT, nullable=False),
        sa.Column("rejections", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("task_id"),
    )
    op.add_column("site", sa.Column("down_from", TIME, nullable=True))
    op.add_column("site", sa.Column("down_until", TIME, nullable=True))
    op.add_column("storage_endpoint", sa.Column("expired_gb", sa.Float(), nullable=True))
    for name in ("disk_io_kb_per_second", "n_disk_io"):
        kind = sa.Integer() if name.startswith("n_") else sa.Float()
        op.add_column("queue_statistics", sa.Column(name, kind, nullable=False, server_default="0"))
    for name, number in (("n_whole_files", sa.Integer()), ("size_bytes", ID)):
        op.add_column("dataset", sa.Column(name, number, nullable=False, server_default="0"))
    op.execute(SIZES)


def downgrade() -> None:
    for table, names in (
        ("dataset", ("size_bytes", "n_whole_files")),
        ("queue_statistics", ("n_disk_io", "disk_io_kb_per_second")),
        ("storage_endpoint", ("expired_gb",)),
        ("site", ("down_until", "down_from")),
    ):
        for name in names:
            op.drop_column(table, name)
    op.drop_table("nucleus_decision")
