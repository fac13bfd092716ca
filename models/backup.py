"""All rows of a database as lines of JSON, alike on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.types import TypeEngine

from models.columns import Money, UtcDateTime
from models.database import Base, Database
from models.documents import Json

ROWS_PER_STEP = 500
_SEQUENCES = sa.table("sqlite_sequence", sa.column("name"), sa.column("seq"))
TABLES: Mapping[str, sa.Table] = {entry.name: entry for entry in Base.metadata.sorted_tables}


class Snapshot:
    """The rows as they were at one moment, whoever writes meanwhile."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield a line for each row of a table: an object of its columns."""
        columns = TABLES[name].columns
        values = [sa.type_coerce(col, _stored_type(col)).label(col.name) for col in columns]
        options = {"yield_per": ROWS_PER_STEP}
        for row in self._connection.execute(sa.select(*values), execution_options=options):
            members = {key: _to_json(value) for key, value in row._mapping.items()}
            yield json.dumps(members, separators=(",", ":")).encode() + b"\n"

    def last_ids(self) -> dict[str, int]:
        """Return the last id that each table gave to a row, which may be deleted by now."""
        if self._connection.dialect.name == "sqlite":
            rows = self._connection.execute(sa.select(_SEQUENCES.c.name, _SEQUENCES.c.seq))
            return {name: last for name, last in rows if name in TABLES}
        names = filter(_has_sequence, TABLES)
        values = [sa.func.pg_sequence_last_value(_sequence_of(name)).label(name) for name in names]
        row = self._connection.execute(sa.select(*values)).one()
        return {name: last for name, last in row._mapping.items() if last is not None}


@contextmanager
def snapshot(url: str) -> Iterator[Snapshot]:
    """Open a transaction that only reads, in which all tables are of one moment."""
    with (
        closing(Database(url, timeouts=False)) as database,
        database.read_connection() as connection,
    ):
        if connection.dialect.name == "postgresql":
            connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        yield Snapshot(connection)


def first_filled_table(url: str) -> str | None:
    """Return the name of a table that has a row; None where there is nothing to lose."""
    with closing(Database(url)) as database, database.read_connection() as connection:
        names = sa.inspect(connection).get_table_names()
        for name in TABLES.keys() & set(names):
            if connection.scalar(sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1)):
                return name
    return None


class Loader:
    """Inserts the rows of a snapshot, in the revision of the database that they were read from."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def insert(self, name: str, lines: Iterable[bytes]) -> int:
        """Insert the lines of a table, and return how many they were."""
        rows = map(json.loads, lines)
        count = 0
        while chunk := list(islice(rows, ROWS_PER_STEP)):
            types = {key: _type_of(name, key) for key in chunk[0]}
            target = sa.table(name, *(sa.column(key, kind) for key, kind in types.items()))
            decoded = [
                {key: _from_json(value, types[key]) for key, value in row.items()} for row in chunk
            ]
            self._connection.execute(sa.insert(target), decoded)
            count += len(chunk)
        return count

    def advance_ids(self, last_ids: Mapping[str, int]) -> None:
        """Have each table give only ids that it never gave before."""
        if self._connection.dialect.name == "sqlite":
            self._advance_on_sqlite(last_ids)
            return
        for name in filter(_has_sequence, sa.inspect(self._connection).get_table_names()):
            last = max(last_ids.get(name, 0), self._highest_id(name))
            if last:
                self._connection.execute(sa.select(sa.func.setval(_sequence_of(name), last)))

    def _advance_on_sqlite(self, last_ids: Mapping[str, int]) -> None:
        names = set(sa.inspect(self._connection).get_table_names())
        for name, last in last_ids.items():
            is_auto = TABLES[name].dialect_options["sqlite"]["autoincrement"]
            if name not in names or not is_auto:
                continue
            self._connection.execute(_SEQUENCES.delete().where(_SEQUENCES.c.name == name))
            values = {"name": name, "seq": max(last, self._highest_id(name))}
            self._connection.execute(sa.insert(_SEQUENCES), values)

    def _highest_id(self, name: str) -> int:
        """Return the highest id of a table's rows; 0 where there are none."""
        ids: sa.ColumnClause[int] = sa.column("id")
        query = sa.select(sa.func.max(ids)).select_from(sa.table(name))
        return self._connection.scalar(query) or 0


@contextmanager
def loading(url: str) -> Iterator[Loader]:
    """Open a transaction that is committed at the end, or leaves nothing."""
    with (
        closing(Database(url, timeouts=False)) as database,
        database.write_connection() as connection,
    ):
        yield Loader(connection)


def _has_sequence(name: str) -> bool:
    return name in TABLES and "id" in TABLES[name].columns


def _sequence_of(name: str) -> Any:
    return sa.cast(sa.func.pg_get_serial_sequence(name, "id"), REGCLASS)


def _stored_type(col: sa.Column[Any]) -> TypeEngine[Any]:
    """Return the type by which a column is read: JSON text stays as it was written."""
    return sa.Text() if isinstance(col.type, Json) else col.type


def _type_of(name: str, key: str) -> TypeEngine[Any]:
    """Return the type of a column; of one that this version knows no more, whatever it takes."""
    col = TABLES[name].columns.get(key) if name in TABLES else None
    return sa.Text() if col is None else _stored_type(col)


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return value


def _from_json(value: Any, kind: TypeEngine[Any]) -> Any:
    if value is None:
        return None
    if isinstance(kind, UtcDateTime):
        return datetime.fromisoformat(value)
    if isinstance(kind, Money):
        return Decimal(value)
    if isinstance(kind, sa.LargeBinary):
        return b64decode(value)
    return value
