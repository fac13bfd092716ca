"""What only a database server can do: be away, hang, come back, and make two transactions wait for each other."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

import models.database
from bench.chaos.proxy import FaultProxy
from models import Base, Database, Product, User
from models.database import postgresql
from models.database.revisions import revision_of
from tests.gateway.fakes import comes_true
from tests.ports import free_port
from tests.postgres import SHIPPED_SECONDS, have_patience

SECONDS = 40  # "within a few", on a slow machine


@pytest.fixture(params=["postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    if request.param not in os.environ.get("POSTERN_TEST_DATABASES", "sqlite,postgresql"):
        pytest.skip("POSTERN_TEST_DATABASES leaves PostgreSQL out")
    return str(request.param)


@pytest.fixture
def database(make_database_url: Callable[..., str]) -> Iterator[Database]:
    database = Database(make_database_url(migrated=True), pool_size=2)
    yield database
    database.close()


def products(database: Database, *names: str) -> None:
    with database.write_session() as session:
        session.add_all(Product(name=name, price=1, stock=9) for name in names)


def test_the_driver_is_psycopg_3(database: Database) -> None:
    assert (database.engine.dialect.name, database.engine.dialect.driver) == (
        "postgresql",
        "psycopg",
    )


def test_the_limits_that_ship_are_a_few_seconds_and_the_servers_come_first() -> None:
    assert max(SHIPPED_SECONDS.values()) <= 5
    of_the_server = ("LOCK_TIMEOUT_SECONDS", "STATEMENT_TIMEOUT_SECONDS")
    seconds = [SHIPPED_SECONDS[name] for name in (*of_the_server, "RESPONSE_TIMEOUT_SECONDS")]
    assert seconds == sorted(set(seconds))


def test_the_pool_is_bounded_and_a_full_one_is_an_error_soon(
    make_database_url: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models.database, "POOL_TIMEOUT_SECONDS", 1)
    database = Database(make_database_url(), pool_size=2)
    with database.engine.connect(), database.engine.connect():
        began = time.monotonic()
        with pytest.raises(PoolTimeout):
            revision_of(database)
    assert time.monotonic() - began < SECONDS
    revision_of(database)
    database.close()


def test_garbage_on_the_way_is_a_server_that_is_away(make_database_url: Callable[..., str]) -> None:
    url = urlsplit(make_database_url())
    [folder] = parse_qs(url.query)["host"]
    with FaultProxy(f"{folder}/.s.PGSQL.5432") as proxy:
        database = Database(f"postgresql://postgres@127.0.0.1:{proxy.port}{url.path}", pool_size=1)
        with database.engine.connect() as connection:
            with proxy.faulty("garbage"), pytest.raises(OperationalError):
                connection.scalar(text("SELECT 1"))
            assert connection.invalidated
        with database.engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        database.close()


def test_a_statement_that_takes_too_long_is_ended(
    make_database_url: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "STATEMENT_TIMEOUT_SECONDS", 1)
    database = Database(make_database_url())
    began = time.monotonic()
    with (
        database.read_session() as session,
        pytest.raises(OperationalError, match="statement timeout"),
    ):
        session.execute(text("SELECT pg_sleep(60)"))
    assert time.monotonic() - began < SECONDS
    database.close()


def test_a_server_that_hangs_is_an_error_soon_and_the_pool_recovers(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.engine.connect() as connection:
        backend = connection.scalar(text("SELECT pg_backend_pid()"))
    monkeypatch.setattr(postgresql, "RESPONSE_TIMEOUT_SECONDS", 1)
    event.listen(database.engine, "invalidate", lambda *_: have_patience())  # with the next one
    os.kill(backend, signal.SIGSTOP)
    try:
        began = time.monotonic()
        revision_of(database)  # finds that connection dead, and makes another
        assert time.monotonic() - began < SECONDS
    finally:
        os.kill(backend, signal.SIGCONT)


def test_connections_that_the_server_ended_are_made_anew(database: Database) -> None:
    with database.engine.connect() as one, database.engine.connect() as two:
        backends = [connection.scalar(text("SELECT pg_backend_pid()")) for connection in (one, two)]
    with Database(str(database.engine.url)).engine.connect() as other:
        for backend in backends:
            other.execute(text(f"SELECT pg_terminate_backend({backend})"))
    assert comes_true(lambda: not any(Path(f"/proc/{backend}").exists() for backend in backends))

    for _ in range(3):
        revision_of(database)


@pytest.mark.slow
def test_a_host_that_accepts_and_never_answers_is_an_error_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(postgresql, "CONNECT_TIMEOUT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", free_port())) as silent:
        database = Database(
            f"postgresql://postern:hunter2hunter2@127.0.0.1:{silent.getsockname()[1]}/x"
        )
        began = time.monotonic()
        with pytest.raises(DBAPIError) as caught:
            revision_of(database)
    assert time.monotonic() - began < SECONDS
    assert "hunter2" not in str(caught.value) + repr(database.engine)
    database.close()


def test_two_that_wait_for_each_other_end_with_one_error_and_one_success(
    database: Database,
) -> None:
    products(database, "a", "b")
    both, outcomes = threading.Barrier(2), []

    def take(first: int, second: int) -> None:
        try:
            with database.write_session() as session:
                session.get(Product, first).stock -= 1
                session.flush()
                both.wait(30)
                session.get(Product, second).stock -= 1
            outcomes.append(None)
        except OperationalError as error:
            outcomes.append(type(error.orig).__name__)

    threads = [threading.Thread(target=take, args=pair) for pair in ((1, 2), (2, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes, key=str) == ["DeadlockDetected", None]
    with database.read_session() as session:
        assert session.scalars(select(Product.stock)).all() == [8, 8]


def test_a_row_got_to_be_written_may_still_be_pointed_at(database: Database) -> None:
    """An order for a user is not held up by that user's login."""
    with database.write_session() as session:
        session.add(User(username="ann", password_hash="-"))
    with database.write_session() as session:
        session.get(User, 1)
        with database.engine.begin() as other:
            other.execute(text("INSERT INTO orders (user_id, status, total, created_at, version) VALUES (1, 'pending', 1, now(), 1)"))  # fmt: skip


def test_a_migration_is_not_ended_by_the_time_limits(make_database_url: Callable[..., str]) -> None:
    database = Database(make_database_url(), timeouts=False)
    Base.metadata.create_all(database.engine)
    with database.engine.connect() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "0"
    database.close()
