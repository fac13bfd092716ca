"""A page among a million products, by key and by offset."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from flask.testing import FlaskClient
from sqlalchemy import text

from api.auth.passwords import hash_password
from app import create_app
from bench import report
from bench.fill import FILL
from bench.report import BenchError, spread
from bench.rounds import Options, progress
from config import Settings
from gateway.masking import Secret
from models import Database, User
from models.database import migrate
from tests.postgres import PostgresError, Server

ROWS = 1_000_000
REQUESTS = 50  # of each page
LIMIT = 10
FAR_PAGE = 10_000
FAR_ROW = (FAR_PAGE - 1) * LIMIT
PASSWORD = "only for this benchmark"  # noqa: S105 - of a database that ends with the benchmark
SETTLE = {"sqlite": "ANALYZE", "postgresql": "VACUUM ANALYZE products"}
#: What stands before the page, by the number of a request and by how many rows there are. Each
#: request asks for a place of its own, since reads are kept.
PAGES: dict[str, Callable[[int, int], str]] = {
    "page 1": lambda number, rows: f"skip={number}",
    f"page {FAR_PAGE:,}, by `after`": lambda number, rows: f"after={FAR_ROW + number}",
    f"page {FAR_PAGE:,}, by `skip`": lambda number, rows: f"skip={FAR_ROW + number}",
    "last page, by `after`": lambda number, rows: f"after={rows - LIMIT - number}",
    "last page, by `skip`": lambda number, rows: f"skip={rows - LIMIT - number}",
}


def fill(url: str, rows: int) -> None:
    migrate.upgrade(url)
    database = Database(url, timeouts=False)
    with database.write_session() as session:
        session.execute(text(FILL[database.engine.dialect.name]), {"rows": rows})
        session.add(User(username="bench", password_hash=hash_password(PASSWORD)))
    with database.engine.connect() as connection:
        raw = connection.connection.dbapi_connection
        if database.engine.dialect.name == "postgresql":
            raw.autocommit = True
        raw.cursor().execute(SETTLE[database.engine.dialect.name])
        connection.invalidate()
    database.close()


@contextmanager
def client(url: str) -> Iterator[tuple[FlaskClient, dict[str, str]]]:
    """The app over its WSGI interface, and a user's token."""
    secret = Secret("only for this benchmark, 32 bytes or more")
    settings = Settings(
        database_url=url, jwt_secret=secret, log_level="error", access_token_ttl=86400
    )
    app = create_app(settings)
    test_client = app.test_client()
    login = test_client.post("/api/v1/login", json={"username": "bench", "password": PASSWORD})
    yield test_client, {"Authorization": f"Bearer {login.json['data']['access_token']}"}
    app.extensions["postern"].database.close()
    app.extensions["postern"].gateway.close()


def measure(url: str, rows: int, times: int) -> dict[str, list[float]]:
    """Milliseconds of each request, the pages in turns."""
    milliseconds: dict[str, list[float]] = {page: [] for page in PAGES}
    with client(url) as (test_client, headers):
        for number in range(times + 1):
            for page, place in PAGES.items():
                path = f"/api/v1/products?limit={LIMIT}&{place(number, rows)}"
                began = time.perf_counter()
                answer = test_client.get(path, headers=headers)
                elapsed = (time.perf_counter() - began) * 1000
                data = answer.json["data"]
                if (data["total"], len(data["items"])) != (rows, LIMIT):
                    raise BenchError(f"{path}: {answer.text[:300]}")
                if number:  # the first is a warm-up
                    milliseconds[page].append(elapsed)
    return milliseconds


def table(results: dict[str, dict[str, list[float]]]) -> str:
    rows = [[page, *(spread(times[page], 1) for times in results.values())] for page in PAGES]
    return report.table(["", *(f"{name}, ms" for name in results)], rows)


def run(options: Options) -> str:
    rows = options.scaled(ROWS, 2 * FAR_ROW)
    requests = options.scaled(REQUESTS, 2)
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder:
        try:
            with Server(Path(folder)) as server:
                urls = {
                    "SQLite": f"sqlite:///{folder}/postern.db",
                    "PostgreSQL": server.url("postgres"),
                }
                results = {
                    name: _filled_and_measured(name, url, rows, requests)
                    for name, url in urls.items()
                }
        except PostgresError as error:
            raise BenchError(str(error)) from error
    facts = (
        f"Median (least-most) of {requests} requests for each page, taken in turns, "
        f"`limit={LIMIT}` of {rows:,} products, one at a time through the whole app (token, query, "
        "count, JSON) less the socket; PostgreSQL as in the tests, without fsync; "
        f"{report.machine()}, {report.python_build()}, {report.versions('sqlalchemy', 'psycopg')}. "
        "By `after`, `total` is at most 5 s old and is not counted for every page; by `skip` it is."
    )
    return f"{table(results)}\n\n{facts}"


def _filled_and_measured(name: str, url: str, rows: int, requests: int) -> dict[str, list[float]]:
    began = time.monotonic()
    fill(url, rows)
    progress(f"{name}: {rows:,} rows in {time.monotonic() - began:.0f} s")
    return measure(url, rows, requests)
