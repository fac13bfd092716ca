from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, select, text

from models import Base, Database, RefreshToken, User
from models.database import migrate
from models.database.revisions import MIGRATIONS, head_revision, revision_of
from tests.models.database.test_database import token, user


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def tables(url: str) -> set[str]:
    database = Database(url)
    try:
        return set(inspect(database.engine).get_table_names())
    finally:
        database.close()


def test_the_newest_revision_is_what_the_models_say(url: str) -> None:
    migrate.upgrade(url)
    database = Database(url)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_migrations_make_the_same_checks_and_keys_as_the_models(
    url: str, make_database_url: Callable[[], str]
) -> None:
    """Alembic does not compare check constraints; the DDL says them."""
    migrate.upgrade(url)
    migrated, fresh = Database(url), Database(make_database_url())
    Base.metadata.create_all(fresh.engine)
    for table in Base.metadata.tables:
        for look in (
            "get_check_constraints",
            "get_foreign_keys",
            "get_unique_constraints",
            "get_pk_constraint",
        ):
            assert getattr(inspect(migrated.engine), look)(table) == getattr(
                inspect(fresh.engine), look
            )(table)
    migrated.close()
    fresh.close()


def test_downgrade_to_base_leaves_nothing_and_upgrade_works_again(url: str) -> None:
    migrate.upgrade(url)
    migrate.downgrade(url, "base")
    assert tables(url) == {"alembic_version"}
    assert migrate.current_revision(url) is None
    migrate.upgrade(url)
    assert tables(url) >= set(Base.metadata.tables)
    assert migrate.current_revision(url) == "0006"


def test_an_upgrade_that_is_not_needed_keeps_every_row(url: str) -> None:
    migrate.upgrade(url)
    database = Database(url)
    with database.write_session() as session:
        ann = user()
        session.add(ann)
        session.flush()
        session.add(token(ann.id))
    migrate.upgrade(url)
    with database.read_session() as session:
        assert session.query(User).count() == session.query(RefreshToken).count() == 1
    database.close()


def test_users_of_the_version_before_stay_enabled_and_it_goes_on_making_some(url: str) -> None:
    columns = "username, role, password_hash, created_at, version"
    make_user = f"INSERT INTO users ({columns}) VALUES (:name, 'user', '-', :now, 1)"
    migrate.upgrade(url, "0005")
    database = Database(url)
    with database.write_connection() as connection:
        connection.execute(text(make_user), {"name": "before", "now": datetime.now(UTC)})
    migrate.upgrade(url)
    with database.write_connection() as connection:
        connection.execute(text(make_user), {"name": "meanwhile", "now": datetime.now(UTC)})
    with database.read_connection() as connection:
        users = connection.execute(select(User.username, User.disabled).order_by(User.id)).all()
    database.close()
    assert users == [("before", False), ("meanwhile", False)]


def test_the_revision_is_what_alembic_says_of_code_and_database(url: str) -> None:
    database = Database(url)
    assert revision_of(database) is None
    migrate.upgrade(url, "0002")
    assert revision_of(database) == "0002"
    migrate.downgrade(url, "base")
    assert revision_of(database) is None
    database.close()
    assert head_revision() == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def columns(url: str) -> dict[tuple[str, str], bool]:
    """Return all columns, and whether a row may be inserted that does not name them."""
    database = Database(url)
    try:
        look = inspect(database.engine)
        return {
            (table, column["name"]): column["nullable"] or column["default"] is not None
            for table in look.get_table_names()
            for column in look.get_columns(table)
        }
    finally:
        database.close()


def test_after_a_migration_the_version_before_still_reads_and_writes(url: str) -> None:
    script = ScriptDirectory(str(MIGRATIONS))
    revisions = [revision.revision for revision in script.walk_revisions()][::-1]
    migrate.upgrade(url, revisions[0])
    before = columns(url)
    for revision in revisions[1:]:
        migrate.upgrade(url, revision)
        after = columns(url)
        assert before.keys() <= after.keys(), revision
        added = after.keys() - before.keys()
        old_tables = {table for table, _ in before}
        required = {name for name in added if name[0] in old_tables and not after[name]}
        assert required == set(), revision
        before = after
