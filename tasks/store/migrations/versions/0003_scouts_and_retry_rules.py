"""Scouts, retry rules, rests, and commands with parameters

Revision ID: 0003
Revises: 0001
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

RULES = (
    ("pilot", "no_retry", 1190, "a name that is too long stays too long"),
    ("pilot", "increase_cpu_time", 1213, "killed at its wall-time limit: the next gets longer"),
    ("pilot", "reduce_input", 1104, "work directory over its limit: the next gets half the input"),
    ("pilot", "reduce_input", 1098, "no room on the node: the next gets half the input"),
)  # fmt: skip
"""(source, action, code, description) of the rules that a new installation has."""


def upgrade() -> None:
    op.create_table(
        "task_scouting",
        sa.Column("task_id", ID, nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("n_scouts", sa.Integer(), nullable=False),
        sa.Column("first_sequence_nr", ID, nullable=False),
        sa.Column("look_at_finished", ID, nullable=False),
        sa.Column("asked", DOCUMENT, nullable=False),
        sa.Column("lesson", DOCUMENT, nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"]),
        sa.PrimaryKeyConstraint("task_id"),
    )
    op.create_index("task_scouting_phase", "task_scouting", ["phase", "task_id"])
    rules = op.create_table(
        "retry_rule",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("action", sa.String(length=24), nullable=False),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("max_retries", sa.Integer(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("architecture", sa.String(length=255), nullable=False),
        sa.Column("release", sa.String(length=255), nullable=False),
        sa.Column("work_queue", sa.String(length=64), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(length=63), nullable=False),
        sa.Column("changed_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.bulk_insert(
        rules,
        [
            {
                "source": source, "action": action, "code": code, "pattern": "", "active": True,
                "architecture": "", "release": "", "work_queue": "", "description": words,
                "changed_by": "installation", "changed_at": _now(),
            }
            for source, action, code, words in RULES
        ],
    )  # fmt: skip
    op.create_table(
        "rest",
        sa.Column("queue_id", sa.Integer(), nullable=False),
        sa.Column("node", sa.String(length=255), nullable=False),
        sa.Column("until", TIME, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["queue_id"], ["queue.id"]),
        sa.PrimaryKeyConstraint("queue_id", "node"),
    )
    with op.batch_alter_table("command") as command:
        command.add_column(sa.Column("parameters", DOCUMENT, nullable=True))


def _now() -> datetime:
    # SQLite keeps UTC without saying so.
    now = datetime.now(UTC)
    return now.replace(tzinfo=None) if op.get_bind().dialect.name == "sqlite" else now


def downgrade() -> None:
    with op.batch_alter_table("command") as command:
        command.drop_column("parameters")
    for table in ("rest", "retry_rule", "task_scouting"):
        op.drop_table(table)
