"""Resources: sites, storage, links and statistics of queues

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
COUNTS = (
    "n_defined", "n_assigned", "n_activated", "n_starting", "n_running", "n_transferring",
    "n_slots", "n_nodes_asking", "n_nodes_updating", "most_running",
)  # fmt: skip
SPEEDS = ("mb_per_second_last_hour", "mb_per_second_last_day", "mb_per_second_last_week")


def _flag(name: str, value: bool) -> sa.Column[bool]:
    default = sa.true() if value else sa.false()
    return sa.Column(name, sa.Boolean(), nullable=False, server_default=default)


def _moment(name: str) -> sa.Column[object]:
    return sa.Column(name, TIME, nullable=True)


def upgrade() -> None:
    op.create_table(
        "link",
        sa.Column("source_id", sa.Integer(), sa.ForeignKey("site.id"), nullable=False),
        sa.Column("destination_id", sa.Integer(), sa.ForeignKey("site.id"), nullable=False),
        sa.Column("closeness", sa.Float(), nullable=True),
        sa.Column("is_blocked", sa.Boolean(), nullable=False),
        sa.Column("n_files_queued", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=True) for name in SPEEDS),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("source_id", "destination_id"),
    )
    op.create_table(
        "queue_statistics",
        sa.Column("queue_id", sa.Integer(), autoincrement=False, nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in COUNTS),
        _moment("most_running_at"),
        sa.Column("mean_run_seconds", sa.Float(), nullable=True),
        sa.Column("n_runs", sa.Integer(), nullable=False),
        _moment("last_start_at"),
        _moment("last_pilot_at"),
        sa.Column("history_id", ID, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("queue_id"),
    )
    op.add_column("site", _flag("is_nucleus", False))
    op.add_column("queue", _moment("status_changed_at"))
    op.add_column("queue", sa.Column("declared_status", sa.String(length=16), nullable=True))
    op.add_column("storage_endpoint", sa.Column("total_gb", sa.Float(), nullable=True))
    op.add_column("storage_endpoint", sa.Column("free_gb", sa.Float(), nullable=True))
    op.add_column("storage_endpoint", _flag("is_blacklisted", False))
    op.add_column("storage_endpoint", _flag("is_tape", False))
    op.add_column("queue_storage", _flag("reads", True))
    op.add_column("queue_storage", _flag("writes", True))


def downgrade() -> None:
    for table, names in (
        ("queue_storage", ("writes", "reads")),
        ("storage_endpoint", ("is_tape", "is_blacklisted", "free_gb", "total_gb")),
        ("queue", ("declared_status", "status_changed_at")),
        ("site", ("is_nucleus",)),
    ):
        for name in names:
            op.drop_column(table, name)
    op.drop_table("queue_statistics")
    op.drop_table("link")
