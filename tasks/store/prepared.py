"""Hot statements, compiled once and run on the driver's own cursor.

SQLAlchemy's way from a statement to the driver costs several times what the database needs for
a small one. A statement that runs for every job goes the short way: still written in Core, so
that it means the same on SQLite and PostgreSQL, but compiled once a dialect. It runs in the
session's transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.base import Executable
from sqlalchemy.sql.compiler import SQLCompiler
from sqlmodel import Session

Values = Mapping[str, Any]
Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement in the words of one driver."""

    sql: str
    names: tuple[str, ...]
    """The bound parameters, in the order of the placeholders."""
    fixed: Mapping[str, Any]
    """Values that the statement brings itself."""
    given: tuple[tuple[str, Convert], ...]
    """How values become the driver's, where they are not already."""
    got: tuple[tuple[int, Convert], ...]
    """How the driver's values become ours, by column."""
    is_positional: bool

    def bind(self, values: Values) -> Any:
        """The parameters as the driver takes them."""
        whole = {**self.fixed, **values}
        for name, convert in self.given:
            whole[name] = convert(whole[name])
        return tuple([whole[name] for name in self.names]) if self.is_positional else whole

    def row(self, row: Sequence[Any]) -> tuple[Any, ...]:
        """A row with our values."""
        found = list(row)
        for place, convert in self.got:
            if found[place] is not None:
                found[place] = convert(found[place])
        return tuple(found)


class Prepared:
    """A Core statement for the hot path. Every bound value is given by its parameter's name."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, session: Session, **values: Any) -> list[tuple[Any, ...]]:
        """All rows of the result, as tuples."""
        connection = session.connection()
        compiled = self._in(connection.dialect)
        cursor = run_on_driver(connection, compiled.sql, compiled.bind(values))
        try:
            found: list[tuple[Any, ...]] = cursor.fetchall()
        finally:
            cursor.close()
        return [compiled.row(row) for row in found] if compiled.got else found

    def column(self, session: Session, **values: Any) -> list[Any]:
        """The first column of the result."""
        return [row[0] for row in self.rows(session, **values)]

    def change(self, session: Session, **values: Any) -> int:
        """Run it; gives how many rows it touched."""
        connection = session.connection()
        compiled = self._in(connection.dialect)
        return _counted(run_on_driver(connection, compiled.sql, compiled.bind(values)))

    def change_each(self, session: Session, rows: Sequence[Values]) -> int:
        """Run it once for each set of values; gives how many rows were touched in all."""
        if not rows:
            return 0
        connection = session.connection()
        compiled = self._in(connection.dialect)
        given = [compiled.bind(values) for values in rows]
        return _counted(run_on_driver(connection, compiled.sql, given, many=True))

    def _in(self, dialect: Dialect) -> _Compiled:
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self._statement, dialect)
        return compiled


def _compile(statement: Executable, dialect: Dialect) -> _Compiled:
    compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    if compiled.post_compile_params:
        raise TypeError(f"a list must be one value (ids_among) or spelt out (one_of): {compiled}")
    names = tuple(compiled.positiontup or compiled.params)
    processors: Mapping[str, Any] = compiled._bind_processors
    asked = {name for bound, name in compiled.bind_names.items() if bound.required}
    return _Compiled(
        sql=str(compiled),
        names=names,
        fixed={name: value for name, value in compiled.params.items() if name not in asked},
        given=tuple((name, processors[name]) for name in set(names) if name in processors),
        got=tuple(_results(compiled, dialect)),
        is_positional=bool(compiled.positional),
    )


def _results(compiled: SQLCompiler, dialect: Dialect) -> list[tuple[int, Convert]]:
    found: list[tuple[int, Convert]] = []
    for place, column in enumerate(compiled._result_columns or ()):
        convert = column.type.dialect_impl(dialect).result_processor(dialect, None)
        if convert is not None:
            found.append((place, convert))
    return found


def run_on_driver(connection: Connection, sql: str, values: Any, many: bool = False) -> Any:
    """The driver's cursor after a statement in the driver's words; with `many`, once a row.

    Raises:
        DBAPIError: the driver's error in SQLAlchemy's kind, as for any other statement.
    """
    raw: Any = connection.connection.driver_connection
    cursor = raw.cursor()
    try:
        (cursor.executemany if many else cursor.execute)(sql, values)
    except Exception as error:
        dialect = connection.dialect
        if not isinstance(error, dialect.loaded_dbapi.Error):
            raise
        gone = dialect.is_disconnect(error, raw, cursor)
        if gone:
            connection.invalidate(error)
        raise DBAPIError.instance(
            sql, None, error, dialect.loaded_dbapi.Error, connection_invalidated=gone,
            dialect=dialect,
        ) from error  # fmt: skip
    return cursor


def _counted(cursor: Any) -> int:
    count = int(cursor.rowcount)
    cursor.close()
    return count
