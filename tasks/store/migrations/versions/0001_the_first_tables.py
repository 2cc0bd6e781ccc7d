"""The first tables

Revision ID: 0001
Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TIME = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "catalog_dataset",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("task_id", ID, nullable=True),
        sa.Column("n_files", sa.Integer(), nullable=False),
        sa.Column("size_bytes", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "catalog_file",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("lfn", sa.String(length=255), nullable=False),
        sa.Column("size_bytes", ID, nullable=False),
        sa.Column("adler32", sa.String(length=8), nullable=False),
        sa.Column("n_events", ID, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("catalog_file_name", "catalog_file", ["dataset_id", "lfn"], unique=True)

    op.create_table(
        "command",
        sa.Column("id", ID, nullable=False),
        sa.Column("task_id", ID, nullable=False),
        sa.Column("command", sa.String(length=16), nullable=False),
        sa.Column("soft", sa.Boolean(), nullable=False),
        sa.Column("user_name", sa.String(length=63), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("done_at", TIME, nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "command_new",
        "command",
        ["task_id"],
        unique=False,
        sqlite_where=sa.text("done_at IS NULL"),
        postgresql_where=sa.text("done_at IS NULL"),
    )

    op.create_table(
        "file",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("lfn", sa.String(length=255), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("size_bytes", ID, nullable=True),
        sa.Column("adler32", sa.String(length=8), nullable=True),
        sa.Column("n_events", ID, nullable=True),
        sa.Column("start_event", ID, nullable=False),
        sa.Column("attempt_nr", sa.Integer(), nullable=False),
        sa.Column("n_failed", sa.Integer(), nullable=False),
        sa.Column("n_lost", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("catalog_file_id", ID, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("file_by_status", "file", ["dataset_id", "status", "id"], unique=False)
    op.create_index("file_of_dataset", "file", ["dataset_id", "lfn", "start_event"], unique=True)

    op.create_table(
        "global_share",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("parent", sa.String(length=64), nullable=True),
        sa.Column("weight", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "id_counter",
        sa.Column("noun", sa.String(length=32), nullable=False),
        sa.Column("next_id", ID, nullable=False),
        sa.PrimaryKeyConstraint("noun"),
    )
    op.create_table(
        "job",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("task_id", ID, nullable=False),
        sa.Column("attempt_nr", sa.Integer(), nullable=False),
        sa.Column("retry_of", ID, nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("queue_id", sa.Integer(), nullable=False),
        sa.Column("share_name", sa.String(length=64), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("core_count", sa.Integer(), nullable=False),
        sa.Column("memory_mb", sa.Integer(), nullable=False),
        sa.Column("disk_mb", ID, nullable=False),
        sa.Column("walltime_seconds", sa.Integer(), nullable=False),
        sa.Column("serial_nr", ID, nullable=False),
        sa.Column("sequence_nr", ID, nullable=False),
        sa.Column("first_event", ID, nullable=False),
        sa.Column("max_events", ID, nullable=False),
        sa.Column("skip_events", ID, nullable=False),
        sa.Column("pilot_id", ID, nullable=True),
        sa.Column("request_key", sa.String(length=64), nullable=True),
        sa.Column("node", sa.String(length=255), nullable=False),
        sa.Column("lease_expires_at", TIME, nullable=True),
        sa.Column("report_nr", sa.Integer(), nullable=False),
        sa.Column("kill_reason", sa.String(length=500), nullable=False),
        sa.Column("reported_state", sa.String(length=16), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("pilot_error_code", sa.Integer(), nullable=False),
        sa.Column("pilot_error_diag", sa.Text(), nullable=False),
        sa.Column("server_error_code", sa.Integer(), nullable=False),
        sa.Column("server_error_diag", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("modified_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    # Autogenerate leaves out an index with an expression; dispatch takes jobs in this order.
    op.create_index(
        "job_waiting",
        "job",
        ["queue_id", sa.text("priority DESC"), "id"],
        unique=False,
        sqlite_where=sa.text("status = 'activated'"),
        postgresql_where=sa.text("status = 'activated'"),
    )
    op.create_index(
        "job_active",
        "job",
        ["task_id", "status"],
        unique=False,
        sqlite_where=sa.text("status NOT IN ('finished', 'failed', 'closed', 'cancelled')"),
        postgresql_where=sa.text("status NOT IN ('finished', 'failed', 'closed', 'cancelled')"),
    )
    op.create_index(
        "job_leased",
        "job",
        ["lease_expires_at"],
        unique=False,
        sqlite_where=sa.text("lease_expires_at IS NOT NULL"),
        postgresql_where=sa.text("lease_expires_at IS NOT NULL"),
    )
    op.create_index(
        "job_of_pilot",
        "job",
        ["pilot_id", "request_key"],
        unique=False,
        sqlite_where=sa.text("lease_expires_at IS NOT NULL"),
        postgresql_where=sa.text("lease_expires_at IS NOT NULL"),
    )
    op.create_index("job_of_task", "job", ["task_id", "id"], unique=False)
    op.create_index(
        "job_to_settle",
        "job",
        ["task_id", "id"],
        unique=False,
        sqlite_where=sa.text("status = 'holding'"),
        postgresql_where=sa.text("status = 'holding'"),
    )

    op.create_table(
        "job_file",
        sa.Column("job_id", ID, autoincrement=False, nullable=False),
        sa.Column("file_id", ID, autoincrement=False, nullable=False),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("size_bytes", ID, nullable=True),
        sa.Column("adler32", sa.String(length=8), nullable=True),
        sa.PrimaryKeyConstraint("job_id", "file_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "job_metadata",
        sa.Column("job_id", ID, autoincrement=False, nullable=False),
        sa.Column("metrics", DOCUMENT, nullable=True),
        sa.Column("output_tail", sa.Text(), nullable=False),
        sa.Column("user_metadata", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("job_id"),
    )
    op.create_table(
        "lock",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "refused_report",
        sa.Column("id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("attempt_nr", sa.Integer(), nullable=False),
        sa.Column("pilot_id", ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("refused_of_job", "refused_report", ["job_id"], unique=False)

    op.create_table(
        "replica",
        sa.Column("catalog_file_id", ID, autoincrement=False, nullable=False),
        sa.Column("endpoint_id", sa.Integer(), nullable=False),
        sa.Column("path", sa.String(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("catalog_file_id", "endpoint_id"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "revoked_token",
        sa.Column("token_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("token_id"),
    )
    op.create_table(
        "sandbox",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", ID, nullable=False),
        sa.Column("owner", sa.String(length=63), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("used_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_table(
        "schedule_run",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=True),
        sa.Column("n_runs", ID, nullable=False),
        sa.Column("message", sa.String(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "site",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "status_history",
        sa.Column("id", ID, nullable=False),
        sa.Column("noun", sa.String(length=8), nullable=False),
        sa.Column("entity_id", ID, nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("from_status", sa.String(length=16), nullable=False),
        sa.Column("to_status", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.String(length=128), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("history_of", "status_history", ["noun", "entity_id", "id"], unique=False)

    op.create_table(
        "task",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("user_name", sa.String(length=63), nullable=False),
        sa.Column("idempotency_key", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("version", ID, nullable=False),
        sa.Column("share_name", sa.String(length=64), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("parent_task_id", ID, nullable=True),
        sa.Column("input_open", sa.Boolean(), nullable=False),
        sa.Column("core_count", sa.Integer(), nullable=False),
        sa.Column("memory_mb", sa.Integer(), nullable=False),
        sa.Column("disk_mb", ID, nullable=False),
        sa.Column("walltime_seconds", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("endpoint_id", sa.Integer(), nullable=True),
        sa.Column("next_serial_nr", ID, nullable=False),
        sa.Column("next_sequence_nr", ID, nullable=False),
        sa.Column("next_event_nr", ID, nullable=False),
        sa.Column("next_look_at", TIME, nullable=True),
        sa.Column("feed_at", TIME, nullable=True),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("modified_at", TIME, nullable=False),
        sa.Column("started_at", TIME, nullable=True),
        sa.Column("ended_at", TIME, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "task_alive",
        "task",
        ["status", "id"],
        unique=False,
        sqlite_where=sa.text(
            "status NOT IN ('done', 'finished', 'failed', 'exhausted', 'aborted', 'broken')"
        ),
        postgresql_where=sa.text(
            "status NOT IN ('done', 'finished', 'failed', 'exhausted', 'aborted', 'broken')"
        ),
    )
    op.create_index("task_key", "task", ["user_name", "idempotency_key"], unique=True)
    op.create_index("task_owner", "task", ["user_name", "id"], unique=False)
    op.create_index("task_parent", "task", ["parent_task_id"], unique=False)

    op.create_table(
        "user_account",
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "wake_up",
        sa.Column("topic", sa.String(length=32), nullable=False),
        sa.Column("n", ID, nullable=False),
        sa.PrimaryKeyConstraint("topic"),
    )
    op.create_table(
        "dataset",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("task_id", ID, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("stream", sa.String(length=32), nullable=False),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("local_name", sa.String(length=255), nullable=False),
        sa.Column("n_files_per_job", sa.Integer(), nullable=True),
        sa.Column("n_files", sa.Integer(), nullable=False),
        sa.Column("n_files_used", sa.Integer(), nullable=False),
        sa.Column("n_files_finished", sa.Integer(), nullable=False),
        sa.Column("n_files_failed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["task.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("dataset_name", "dataset", ["name"], unique=False)
    op.create_index(
        "dataset_of_task", "dataset", ["task_id", "name", "kind", "stream"], unique=True
    )

    op.create_table(
        "decision",
        sa.Column("task_id", ID, nullable=False),
        sa.Column("cycle", sa.Integer(), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("ranking", DOCUMENT, nullable=False),
        sa.Column("rejections", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["task.id"],
        ),
        sa.PrimaryKeyConstraint("task_id"),
    )
    op.create_table(
        "queue",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("settings", DOCUMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["site.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "storage_endpoint",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=63), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(length=1000), nullable=False),
        sa.Column("directory", sa.String(length=1000), nullable=True),
        sa.ForeignKeyConstraint(
            ["site_id"],
            ["site.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "task_parameters",
        sa.Column("task_id", ID, nullable=False),
        sa.Column("document", DOCUMENT, nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"],
            ["task.id"],
        ),
        sa.PrimaryKeyConstraint("task_id"),
    )
    op.create_table(
        "pilot",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("queue_id", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("process_id", ID, nullable=False),
        sa.Column("version", sa.String(length=64), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("core_count", sa.Integer(), nullable=False),
        sa.Column("memory_mb", ID, nullable=False),
        sa.Column("disk_mb", ID, nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("last_heard_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(
            ["queue_id"],
            ["queue.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "queue_storage",
        sa.Column("queue_id", sa.Integer(), nullable=False),
        sa.Column("endpoint_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["storage_endpoint.id"],
        ),
        sa.ForeignKeyConstraint(
            ["queue_id"],
            ["queue.id"],
        ),
        sa.PrimaryKeyConstraint("queue_id", "endpoint_id"),
    )


def downgrade() -> None:
    op.drop_table("queue_storage")
    op.drop_table("pilot")
    op.drop_table("task_parameters")
    op.drop_table("storage_endpoint")
    op.drop_table("queue")
    op.drop_table("decision")
    op.drop_table("dataset")
    op.drop_table("wake_up")
    op.drop_table("user_account")
    op.drop_table("task")
    op.drop_table("status_history")
    op.drop_table("site")
    op.drop_table("schedule_run")
    op.drop_table("sandbox")
    op.drop_table("revoked_token")
    op.drop_table("replica")
    op.drop_table("refused_report")
    op.drop_table("lock")
    op.drop_table("job_metadata")
    op.drop_table("job_file")
    op.drop_table("job")
    op.drop_table("id_counter")
    op.drop_table("global_share")
    op.drop_table("file")
    op.drop_table("command")
    op.drop_table("catalog_file")
    op.drop_table("catalog_dataset")
