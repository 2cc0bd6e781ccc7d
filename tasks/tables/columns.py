"""Column types that mean the same on SQLite and PostgreSQL, and the database's own clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Float, Integer
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import TypeDecorator

ID = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit id; on SQLite the row id itself."""

DOCUMENT = JSON().with_variant(JSONB(), "postgresql")
"""A JSON document."""


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime in UTC, microseconds kept. Naive ones are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The value for the driver: SQLite keeps UTC without saying so."""
        return None if value is None else to_column(value, dialect)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The aware datetime."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def to_column(value: datetime, dialect: Dialect) -> datetime:
    """An aware datetime as this dialect's column takes it.

    Raises:
        ValueError: the datetime is naive.
    """
    if value.tzinfo is None:
        raise ValueError(f"naive datetime {value}: times are UTC and aware")
    utc = value.astimezone(UTC)
    return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc


class db_now(FunctionElement[datetime]):  # noqa: N801 - reads as the SQL function that it is
    """The database's own present, plus so many seconds: leases compare with nothing else."""

    type = UtcDateTime()
    inherit_cache = True
    name = "db_now"

    def __init__(self, plus_seconds: float | Any = 0.0) -> None:
        from sqlalchemy import Float, bindparam

        argument = (
            bindparam(None, float(plus_seconds), type_=Float, unique=True)
            if isinstance(plus_seconds, (int, float))
            else plus_seconds
        )
        super().__init__(argument)


@compiles(db_now, "sqlite")
def _sqlite_now(element: db_now, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    # The format of SQLAlchemy's own datetimes, so that text compares as time does.
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', ({seconds}) || ' seconds')"


@compiles(db_now, "postgresql")
def _postgresql_now(element: db_now, compiler: SQLCompiler, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"(clock_timestamp() + make_interval(secs => CAST({seconds} AS double precision)))"


class unix_seconds(FunctionElement[float]):  # noqa: N801 - reads as the SQL function that it is
    """A moment as seconds since 1970."""

    type = Float()
    inherit_cache = True
    name = "unix_seconds"


@compiles(unix_seconds, "sqlite")
def _sqlite_seconds(element: unix_seconds, compiler: SQLCompiler, **options: Any) -> str:
    return f"((julianday({compiler.process(element.clauses, **options)}) - 2440587.5) * 86400.0)"


@compiles(unix_seconds, "postgresql")
def _postgresql_seconds(element: unix_seconds, compiler: SQLCompiler, **options: Any) -> str:
    return f"EXTRACT(EPOCH FROM {compiler.process(element.clauses, **options)})"
