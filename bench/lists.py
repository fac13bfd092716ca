"""python -m bench.lists: a page among a million products, by key and by offset."""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flask.testing import FlaskClient
from sqlalchemy import text

from api.auth.passwords import hash_password
from app import create_app
from bench import report
from bench.fill import FILL
from bench.rounds import publish, spread
from bench.servers import BenchError
from config import Settings
from gateway.masking import Secret
from models import Database, User, migrate
from tests.postgres import PostgresError, Server

LIMIT = 10
FAR_PAGE = 10_000
PASSWORD = "only for this benchmark"
SETTLE = {"sqlite": "ANALYZE", "postgresql": "VACUUM ANALYZE products"}
PAGES = {
    "page 1": f"limit={LIMIT}",
    f"page {FAR_PAGE:,}, by `after`": f"limit={LIMIT}&after={(FAR_PAGE - 1) * LIMIT}",
    f"page {FAR_PAGE:,}, by `skip`": f"limit={LIMIT}&skip={(FAR_PAGE - 1) * LIMIT}",
    "last page, by `after`": "limit={limit}&after={last}",
    "last page, by `skip`": "limit={limit}&skip={last}",
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
            for page, query in PAGES.items():
                path = f"/api/v1/products?{query.format(limit=LIMIT, last=rows - LIMIT)}"
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


def run(rows: int, times: int) -> str:
    results = {}
    with (
        tempfile.TemporaryDirectory(prefix="postern-bench-") as folder,
        Server(Path(folder)) as server,
    ):
        for name, url in (
            ("SQLite", f"sqlite:///{folder}/postern.db"),
            ("PostgreSQL", server.url("postgres")),
        ):
            began = time.monotonic()
            fill(url, rows)
            print(f"{name}: {rows:,} rows in {time.monotonic() - began:.0f} s", file=sys.stderr)
            results[name] = measure(url, rows, times)
    facts = (
        f"Median (least-most) of {times} requests for each page, taken in turns, `limit={LIMIT}` "
        f"of {rows:,} products, "
        "one at a time through the whole app (token, query, count, JSON) less the socket; "
        "PostgreSQL as in the tests, "
        f"without fsync; {report.machine()}, {report.versions('sqlalchemy', 'psycopg')}. By "
        "`after`, `total` is at "
        "most 5 s old and is not counted for every page; by `skip` it is."
    )
    return f"{table(results)}\n\n{facts}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lists", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=100, help="requests for each page")
    parser.add_argument("--write", action="store_true", help="write the table into docs/speed.md")
    options = parser.parse_args()
    if options.rows < FAR_PAGE * LIMIT or options.times < 1:
        parser.error(f"--rows must be at least {FAR_PAGE * LIMIT}, --times at least 1")
    publish(
        lambda: run(options.rows, options.times),
        "bench:lists",
        write=options.write,
        failures=(PostgresError,),
    )


if __name__ == "__main__":
    main()
