from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, StatementError

from models import Base, Database, RefreshToken, User
from models.database import sqlite
from models.database.revisions import revision_of


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


def user(username: str = "ann", **fields: object) -> User:
    return User(username=username, password_hash="-", **fields)


def token(user_id: int) -> RefreshToken:
    at = datetime.now(UTC)
    return RefreshToken(
        token_hash="h",
        family="f",
        user_id=user_id,
        access_jti="j",
        access_expires_at=at,
        expires_at=at,
    )


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("busy_timeout", 20), ("foreign_keys", 1), ("synchronous", 1)],
)
def test_sqlite_is_set_up_on_every_connection(tmp_path: Path, pragma: str, value: object) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a' / 'folder' / 'x.db'}")
    with database.engine.connect() as one, database.engine.connect() as two:
        assert one.execute(text(f"PRAGMA {pragma}")).scalar() == value
        assert two.execute(text(f"PRAGMA {pragma}")).scalar() == value
    database.close()


def test_ping_is_content_with_a_database_that_answers(database: Database) -> None:
    revision_of(database)
    assert database.engine.pool.checkedout() == 0


def test_a_transaction_is_kept_on_success_and_undone_on_an_error(database: Database) -> None:
    with database.write_session() as session:
        session.add(user("ann"))
    with pytest.raises(ZeroDivisionError), database.write_session() as session:
        session.add(user("bob"))
        session.flush()
        raise ZeroDivisionError
    with database.read_session() as session:
        assert session.scalars(select(User.username)).all() == ["ann"]


def test_a_time_comes_back_as_the_instant_it_was_with_its_timezone(database: Database) -> None:
    at = datetime(2026, 11, 21, 8, 30, tzinfo=timezone(timedelta(hours=8)))
    with database.write_session() as session:
        session.add(user(created_at=at))
    with database.read_session() as session:
        read = session.scalar(select(User.created_at))
    assert read == at
    assert read.tzinfo is UTC


def test_a_time_without_a_timezone_is_refused(database: Database) -> None:
    with (
        pytest.raises(StatementError, match="without a timezone"),
        database.write_session() as session,
    ):
        session.add(user(created_at=datetime(2026, 11, 21)))


def test_a_role_that_is_none_is_refused_by_the_database(database: Database) -> None:
    with pytest.raises(IntegrityError, match="ck_users_role"), database.write_session() as session:
        session.add(user(role="root"))


def test_a_deleted_users_tokens_go_with_it_and_its_id_is_never_given_again(
    database: Database,
) -> None:
    with database.write_session() as session:
        ann = user("ann")
        session.add(ann)
        session.flush()
        session.add(token(ann.id))
    with database.write_session() as session:
        session.delete(session.get(User, ann.id))
    with database.write_session() as session:
        bob = user("bob")
        session.add(bob)
        session.flush()
        assert session.scalars(select(RefreshToken)).all() == []
        assert bob.id != ann.id


def test_writers_that_read_first_wait_for_each_other_and_lose_nothing(database: Database) -> None:
    with database.write_session() as session:
        session.add(user(age=0))

    def grow() -> None:
        for _ in range(20):
            with database.write_session() as session:
                session.get(User, 1).age += 1

    threads = [threading.Thread(target=grow) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    with database.read_session() as session:
        assert session.scalar(select(User.age)) == 80


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.write_session() as writer:
        writer.add(user())
        writer.flush()
        with database.read_session() as reader:
            assert reader.scalars(select(User)).all() == []


def test_a_writer_that_waits_lets_others_run(tmp_path, monkeypatch) -> None:
    """SQLite's own wait would hold up a whole gevent worker; ours sleeps, which yields."""
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    naps: list[float] = []
    holder = database.engine.raw_connection()
    holder.cursor().execute("BEGIN IMMEDIATE")

    def nap(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 3:
            holder.cursor().execute("COMMIT")

    monkeypatch.setattr(sqlite._clock, "sleep", nap)
    with database.write_session() as session:
        assert session.scalar(text("SELECT 1")) == 1
    assert len(naps) == 3
    holder.close()
    database.close()
