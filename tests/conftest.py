"""Every test that takes ``database_url`` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from werkzeug.routing import Rule

from models.database import migrate
from tests import postgres
from tests.redis_server import RedisServer, have_no_patience, have_patience

HERE = Path(__file__).parent
SERVER_FOLDERS = (HERE / "e2e", HERE / "deploy")
SERVER_FIXTURES = frozenset({"one_redis_server", "postgres_databases"})
SERVERS = frozenset(
    {"redis", "postgresql"}
)  # as tests that run on several stores or databases call them
# How long examples take to draw says nothing on a machine where processes stand still for seconds.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
postgres.have_patience()
DATABASES = os.environ.get("POSTERN_TEST_DATABASES", "sqlite,postgresql").split(",")


def pytest_configure(config: pytest.Config) -> None:
    # A job that a shell starts with "&" ignores SIGINT, and so do all the programs that it starts: with a
    # handler here, the programs that tests start have the default again and heed Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.set_threshold(100_000, 20, 50)  # Python's own makes a run a third longer
    if not hasattr(config, "workerinput"):  # not a worker of xdist
        if wrong := set(DATABASES) - {"sqlite", "postgresql"}:
            raise pytest.UsageError(
                f"POSTERN_TEST_DATABASES: {', '.join(wrong)}; it may name sqlite, postgresql or both"
            )
        postgres.announce()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        postgres.end()


def pytest_collection_finish() -> None:
    """Take what was imported and collected from Python's collector, which would look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark ``server`` what needs a program beside Python; ``make test-fast`` leaves it out."""
    for item in items:
        if _needs_a_server(item):
            item.add_marker("server")


def _needs_a_server(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    values = getattr(getattr(item, "callspec", None), "params", {}).values()
    chosen = {value for value in values if isinstance(value, str)}
    return (
        any(folder in item.path.parents for folder in SERVER_FOLDERS)
        or not SERVER_FIXTURES.isdisjoint(fixtures)
        or not SERVERS.isdisjoint(chosen)
    )


@pytest.fixture(scope="session")
def postgres_databases() -> Iterator[postgres.Databases]:
    try:
        url = postgres.server_url()
    except postgres.PostgresError as error:
        pytest.fail(str(error), pytrace=False)
    databases = postgres.Databases(url)
    yield databases
    databases.close()


@pytest.fixture(scope="session", autouse=True)
def memorise_url_builders() -> Iterator[None]:
    """Let apps of one run share what Werkzeug compiles for each URL rule: it takes as long as the rest of an app."""
    compile_builder = Rule._compile_builder
    builders: dict[tuple[object, ...], Callable[..., tuple[str, str]]] = {}

    def compile_once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        if rule.defaults:
            return compile_builder(rule, append_unknown)
        key = (rule.rule, tuple(rule._trace), append_unknown)
        if key not in builders:
            builders[key] = compile_builder(rule, append_unknown)
        return builders[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_once)
        yield


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with every table and no row."""
    file = tmp_path_factory.mktemp("migrated") / "postern.db"
    migrate.upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(params=DATABASES)
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_database_url(
    request: pytest.FixtureRequest, database_kind: str, tmp_path: Path
) -> Iterator[Callable[..., str]]:
    """Makes databases of one kind, with or without the tables."""
    numbers, stack = count(), ExitStack()

    def make(migrated: bool = False) -> str:
        if database_kind == "postgresql":
            databases: postgres.Databases = request.getfixturevalue("postgres_databases")
            return stack.enter_context(databases.one("migrated" if migrated else "template0"))
        file = tmp_path / f"postern{next(numbers) or ''}.db"
        if migrated:
            shutil.copy(request.getfixturevalue("migrated_file"), file)
        return f"sqlite:///{file}"

    with stack:
        yield make


@pytest.fixture
def database_url(request: pytest.FixtureRequest, make_database_url: Callable[..., str]) -> str:
    """A database of the test's own: empty, but with every table for a test that takes the app."""
    return make_database_url(migrated="make_app" in request.fixturenames)


@pytest.fixture(scope="session")
def one_redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture
def redis_patience() -> Iterator[None]:
    """Stores wait for a Redis that is only slow."""
    have_patience()
    yield
    have_no_patience()


@pytest.fixture
def redis_server(one_redis_server: RedisServer, redis_patience: None) -> Iterator[RedisServer]:
    """Running and empty, and waited for unless it is paused. The test may pause, kill and start it."""
    yield one_redis_server.fresh()
    one_redis_server.resume()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    return redis_server.url
