"""Runs migrations on the connection that `tasks.store.schema` hands over."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import tasks.tables  # noqa: F401 - fills the metadata

connection = context.config.attributes["connection"]
# SQLite alters tables by copying them; PostgreSQL does it in place.
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
