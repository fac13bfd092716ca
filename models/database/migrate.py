"""Alembic without alembic.ini: the database is the one in the settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from models.database import Database
from models.database.revisions import MIGRATIONS, revision_of


def upgrade(url: str, revision: str = "head") -> None:
    with _config(url) as config:
        command.upgrade(config, revision)


def downgrade(url: str, revision: str) -> None:
    with _config(url) as config:
        command.downgrade(config, revision)


def create_revision(url: str, message: str) -> None:
    """Write a new revision that brings the database to what the models declare."""
    with _config(url) as config:
        command.revision(config, message, autogenerate=True)


def current_revision(url: str) -> str | None:
    """Return the database's revision; None when it is empty."""
    with closing(Database(url)) as database:
        return revision_of(database)


@contextmanager
def _config(url: str) -> Iterator[Config]:
    with (
        closing(Database(url, timeouts=False)) as database,
        database.write_engine.connect() as connection,
    ):
        _prepare(connection)
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        config.set_main_option("path_separator", "os")
        yield config


def _prepare(connection: sa.Connection) -> None:
    """Keep other migrations away, and on SQLite its foreign keys."""
    if connection.dialect.name == "sqlite":
        # A batch migration drops and recreates a table, which would cascade to the rows that refer
        # to it. SQLite takes this pragma outside a transaction only: not through the Connection,
        # which begins one.
        connection.connection.cursor().execute("PRAGMA foreign_keys=OFF")
    if connection.dialect.name == "postgresql":  # released as the connection closes
        connection.execute(sa.text("SELECT pg_advisory_lock(hashtext('postern migrations'))"))
        connection.commit()
