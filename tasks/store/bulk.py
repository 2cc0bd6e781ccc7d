"""Bulk verbs: many rows, one statement; the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import islice
from typing import Any

import psycopg
from sqlalchemy import ColumnElement, Dialect, bindparam, literal
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlalchemy.types import BigInteger, Boolean, String, TypeDecorator, TypeEngine
from sqlmodel import Session, SQLModel

from tasks.store.prepared import run_on_driver
from tasks.tables.columns import to_column

COPY_FROM_ROWS = 20

FRESH = {"populate_existing": True}
"""Execution options for reading rows that bulk statements of the transaction may have changed."""


class _List(TypeDecorator[list[Any]]):
    """A bound list: JSON text on SQLite, an array on PostgreSQL."""

    impl = String
    cache_ok = True

    def __init__(self, item: TypeEngine[Any]) -> None:
        super().__init__()
        self.item = item

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return String()
        return dialect.type_descriptor(ARRAY(self.item))

    def process_bind_param(self, value: list[Any] | None, dialect: Dialect) -> Any:
        return json.dumps(value) if dialect.name == "sqlite" else value


_IDS, TEXTS = _List(BigInteger()), _List(String())


class _Among(FunctionElement[bool]):
    """`column IN list`, the whole list being one bound value: one statement for any length."""

    type = Boolean()
    inherit_cache = True
    name = "among"
    # Else SQLite is asked for `(x IN …) = 1`, for which it takes no index.
    _is_implicitly_boolean = True


@compiles(_Among, "sqlite")
def _among_sqlite(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, given = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({given}))"  # noqa: S608 - compiled SQL


@compiles(_Among, "postgresql")
def _among_postgresql(element: _Among, compiler: SQLCompiler, **options: Any) -> str:
    column, given = (compiler.process(part, **options) for part in element.clauses)
    return f"{column} = ANY ({given})"


def ids_among(column: Any, parameter: str = "ids") -> ColumnElement[bool]:
    """`column IN :parameter`, for statements that are built once; the value is a list of ids."""
    return _Among(column, bindparam(parameter, type_=_IDS))


def texts_among(column: Any, parameter: str) -> ColumnElement[bool]:
    """Like `ids_among`, for strings."""
    return _Among(column, bindparam(parameter, type_=TEXTS))


def one_of(column: Any, words: Iterable[str]) -> ColumnElement[bool]:
    """`column IN (word, word, …)`, spelt out: for a few words that are always the same."""
    condition: ColumnElement[bool] = column.in_([literal(str(word)) for word in words])
    return condition


def id_in(column: Any, ids: Iterable[int], _session: Session) -> ColumnElement[bool]:
    """`column IN ids`, as one bound value."""
    return _Among(column, bindparam(None, list(ids), type_=_IDS, unique=True))


def text_in(column: Any, values: Iterable[str], _session: Session) -> ColumnElement[bool]:
    """Like `id_in`, for strings."""
    return _Among(column, bindparam(None, list(values), type_=TEXTS, unique=True))


@cache
def _defaults(table: type[SQLModel]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in table.model_fields.items():
        if isinstance(field.default, (str, int, float)):
            is_text = isinstance(field.default, str)
            found[name] = str(field.default) if is_text else field.default
    return found


def insert_rows(
    session: Session,
    table: type[SQLModel],
    columns: Sequence[str],
    rows: Iterable[tuple[Any, ...]],
    *,
    now: datetime | None = None,
    same: Mapping[str, Any] | None = None,
) -> int:
    """Insert rows given as tuples of `columns`; gives how many.

    `same` holds the columns that are alike in all rows, `now` is written to `created_at`,
    `modified_at` and `at` where the table has them, the rest gets the table's defaults. Values
    must be what the driver takes (no documents, no datetimes inside the rows).
    """
    extra = _defaults(table) | dict(same or {})
    if now is not None:
        stamp = to_column(now, session.get_bind().dialect)
        when = stamp.strftime("%Y-%m-%d %H:%M:%S.%f") if _is_sqlite(session) else stamp
        names = set(table.model_fields)
        extra |= {k: when for k in ("created_at", "modified_at", "at") if k in names}
    extra = {k: v for k, v in extra.items() if k not in columns}
    tail = tuple(extra.values())
    return _write(
        session, str(table.__tablename__), (*columns, *extra), (row + tail for row in rows)
    )


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _write(
    session: Session, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]
) -> int:
    names = ", ".join(columns)
    if _is_sqlite(session):
        marks = ", ".join("?" * len(columns))
        todo = list(rows)
        if todo:
            # Names come from our own tables, never from outside.
            sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
            run_on_driver(session.connection(), sql, todo, many=True).close()
        return len(todo)
    return _copy(session, f"{table} ({names})", len(columns), iter(rows))


def _copy(session: Session, target: str, width: int, rows: Any) -> int:
    raw: psycopg.Connection[Any] = session.connection().connection.driver_connection  # type: ignore[assignment]
    head = list(islice(rows, COPY_FROM_ROWS))
    with raw.cursor() as cursor:
        if len(head) < COPY_FROM_ROWS:
            if head:
                marks = ", ".join(["%s"] * width)
                cursor.executemany(f"INSERT INTO {target} VALUES ({marks})", head)  # noqa: S608
            return len(head)
        count = len(head)
        with cursor.copy(f"COPY {target} FROM STDIN") as copy:
            for row in head:
                copy.write_row(row)
            for row in rows:
                copy.write_row(row)
                count += 1
    return count
