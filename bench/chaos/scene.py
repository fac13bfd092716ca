"""A Postern of several workers with Redis, PostgreSQL and a service, each behind a fault proxy."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg

from bench.chaos.callers import SECONDS_BETWEEN, Kind, Load, kinds
from bench.chaos.ledger import STOCK, disagreements
from bench.chaos.proxy import ProxyProcess
from examples.clients.postern_auth import PosternAuth
from sandbox import Sandbox
from tests.e2e.live import AS_SHIPPED, Live
from tests.postgres import Server
from tests.redis_server import RedisServer

WORKERS = 2
DEADLINE_SECONDS = 3.0  # of a call
READ_SECONDS = 1.5  # of an attempt
CATALOG = """\
version: 1
defaults:
  timeout: {{connect: 1, read: {read}}}
  deadline: {deadline}
  breaker: {{window: 10, min_calls: 20, failure_rate: 0.5, open_for: 2}}
services:
  demo:
    base_url: http://127.0.0.1:{port}
    allow_private: true
    methods:
      create_item: {{http: POST /items, params: {{name: {{type: string, required: true}}}}}}
      echo: {{http: GET /anything}}
  pay:
    base_url: http://127.0.0.1:{port}
    allow_private: true
    methods:
      charge:
        http: POST /payments
        idempotency_header: Idempotency-Key
        params: {{order_id: {{type: integer}}, amount: {{type: string}}}}
"""
SETTINGS = {
    "WEB_CONCURRENCY": str(WORKERS),
    "ACCESS_TOKEN_TTL": "86400",
    "FILES_QUOTA": str(2**40),
    "LOG_LEVEL": "info",
}


@dataclass
class Scene:
    """What runs, and the ways that can be harmed.

    :ivar ways: the proxies, by what is behind each.
    """

    live: Live
    box: Sandbox
    postgres: Server
    ways: dict[str, ProxyProcess]
    kinds: list[Kind]
    proof: PosternAuth

    def load(self, pause: float = SECONDS_BETWEEN) -> Load:
        return Load(self.live.url, self.live.token(), self.proof, self.kinds, pause)

    def problems(self) -> list[str]:
        """Return where what the callers were told and what is there do not agree."""
        return disagreements(self.kinds, self.live, self.box, self.postgres.url("postern"))


@contextmanager
def scene(gunicorn: tuple[str, ...] = AS_SHIPPED) -> Iterator[Scene]:
    """Start everything, with an admin, an app and a product; end it on leaving.

    :param gunicorn: its arguments, as `Live` takes them.
    """
    folder = Path(tempfile.mkdtemp(prefix="postern-chaos-"))
    folder.chmod(0o711)  # PostgreSQL runs as another user
    (folder / "postgres").mkdir()
    redis = RedisServer(folder)
    live = None
    try:
        with Server(folder / "postgres") as postgres, Sandbox() as box:
            redis.start()
            with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
                admin.execute("CREATE DATABASE postern")
            url = urlsplit(postgres.url("postern"))
            unix_socket = f"{parse_qs(url.query)['host'][0]}/.s.PGSQL.5432"
            with (
                ProxyProcess(redis.port) as to_redis,
                ProxyProcess(unix_socket) as to_postgres,
                ProxyProcess(box.port) as to_service,
            ):
                live = Live(
                    folder,
                    CATALOG.format(
                        port=to_service.port, read=READ_SECONDS, deadline=DEADLINE_SECONDS
                    ),
                    DATABASE_URL=f"postgresql://postgres@127.0.0.1:{to_postgres.port}/postern",
                    REDIS_URL=f"redis://127.0.0.1:{to_redis.port}",
                    gunicorn=gunicorn,
                    **SETTINGS,
                )
                live.start()
                ways = {"Redis": to_redis, "PostgreSQL": to_postgres, "service": to_service}
                yield Scene(live, box, postgres, ways, *callers(live))
                live.stop()
    finally:
        if live:
            live.stop()
        redis.stop()
        shutil.rmtree(folder, ignore_errors=True)


def callers(live: Live) -> tuple[list[Kind], PosternAuth]:
    """Make what the callers need."""
    output = live.flask("app", "create", "shop", "--allow", "*", "--rate", "1000000/minute").stdout
    proof = PosternAuth("shop", re.search(r"secret: (\S+)", output)[1])
    product = live.post("/api/v1/products", json={"name": "Tea", "price": "1.00", "stock": STOCK})
    user = live.get("/api/v1/user/profile")
    return kinds(user.json()["data"]["id"], product.json()["data"]["id"]), proof
