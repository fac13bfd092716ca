"""Alembic, driven from code: there is no alembic.ini, the database is the one the settings name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from models.database import Database

MIGRATIONS = Path(__file__).parent.parent / "migrations"


def upgrade(url: str, revision: str = "head") -> None:
    with _config(url) as config:
        command.upgrade(config, revision)


def downgrade(url: str, revision: str) -> None:
    with _config(url) as config:
        command.downgrade(config, revision)


def revise(url: str, message: str) -> None:
    """Write a new version that makes the database what the models say."""
    with _config(url) as config:
        command.revision(config, message, autogenerate=True)


def current(url: str) -> str | None:
    """The revision the database is at; none when it is empty."""
    database = Database(url)
    try:
        return revision_of(database)
    finally:
        database.close()


def revision_of(database: Database) -> str | None:
    """The same, asked through a pool that is there already."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


@cache
def newest() -> str | None:
    """The revision this version of the code wants."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head()


@contextmanager
def _config(url: str) -> Iterator[Config]:
    with _connection(url) as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        yield config


@contextmanager
def _connection(url: str) -> Iterator[Connection]:
    database = Database(url, patient=True)
    try:
        with database.engine.execution_options(begin="IMMEDIATE").connect() as connection:
            if connection.dialect.name == "sqlite":
                # A batch migration drops and remakes a table, which would cascade to the rows that point at it.
                # SQLite takes this pragma outside a transaction only, so not through the Connection, which begins one.
                connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
            if connection.dialect.name == "postgresql":  # let go as the connection closes
                connection.execute(text("SELECT pg_advisory_lock(hashtext('postern migrations'))"))
                connection.commit()
            yield connection
    finally:
        database.close()
