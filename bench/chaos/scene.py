"""A Postern of several workers with Redis, PostgreSQL and a service, each behind a fault proxy."""

import hashlib
import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg

from bench.chaos.callers import Kind, Load, kinds
from bench.chaos.proxy import ProxyProcess
from examples.postern_auth import PosternAuth
from sandbox import Sandbox
from tests.e2e.live import Live
from tests.postgres import Server
from tests.redis_server import RedisServer

WORKERS = 2
STOCK = 1_000_000
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

    def load(self) -> Load:
        return Load(self.live.url, self.live.token(), self.proof, self.kinds)

    def problems(self) -> list[str]:
        """Return where what the callers were told and what is there do not agree."""
        with psycopg.connect(self.postgres.url("postern")) as database:
            found = [
                *_executions(self.kinds, self.box),
                *_products(self._kind("product"), database),
                *_orders(self._kind("order"), database),
                *_files(self._kind("upload"), database, Path(self.live.env["FILES_DIR"])),
            ]
        if "Traceback" in self.live.log or '"event":"unforeseen"' in self.live.log:
            found.append("the log has a traceback")
        return found

    def _kind(self, name: str) -> Kind:
        return next(kind for kind in self.kinds if kind.name == name)


@contextmanager
def scene() -> Iterator[Scene]:
    """Start everything, with an admin, an app and a product; end it on leaving."""
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


def _executions(all_kinds: list[Kind], box: Sandbox) -> Iterator[str]:
    """Tell which calls the service has got twice, or never though the caller was told so."""
    made = _counts(box, "/items", "name")
    charged = _counts(box, "/payments", "order_id")
    for kind in all_kinds:
        if kind.name in ("call", "keyed"):
            yield from (
                f"{name} was sent {made[name]} times" for name in kind.sent if made[name] > 1
            )
            yield from (f"{name} succeeded unsent" for name in kind.done if not made[name])
        elif kind.name == "charge":
            ids = {name: int(name.rpartition("-")[2]) for name in kind.done}
            yield from (f"{name} is paid, not charged" for name in ids if not charged[ids[name]])
            payments = Counter(each["id"] for each in kind.done.values())
            yield from (f"payment {id_} is of {n} orders" for id_, n in payments.items() if n > 1)


def _counts(box: Sandbox, path: str, name: str) -> Counter[Any]:
    """Return how often the service got each value of a field."""
    return Counter(
        json.loads(request.body)[name]
        for request in box.requests
        if (request.verb, request.path) == ("POST", path)
    )


def _products(kind: Kind, database: psycopg.Connection[Any]) -> Iterator[str]:
    rows = database.execute("SELECT name, id FROM products WHERE name LIKE 'product-%'").fetchall()
    told = {name: data["id"] for name, data in kind.done.items()}
    yield from _differences("product", told, dict(rows), kind.sent)


def _orders(kind: Kind, database: psycopg.Connection[Any]) -> Iterator[str]:
    orders = {row[0] for row in database.execute("SELECT id FROM orders")}
    told = {data["id"] for data in kind.done.values()}
    undecided = len(kind.sent) - len(kind.done)
    if told - orders:
        yield f"{len(told - orders)} orders were answered and are not there"
    if len(orders) > len(told) + undecided:
        yield f"{len(orders)} orders for {len(kind.sent)} keys"
    [ordered] = database.execute("SELECT coalesce(sum(quantity), 0) FROM order_lines").fetchone()
    [stock] = database.execute("SELECT stock FROM products WHERE name = 'Tea'").fetchone()
    if stock + ordered != STOCK:
        yield f"{ordered} were ordered of {STOCK}, and {stock} are in stock"


def _files(kind: Kind, database: psycopg.Connection[Any], folder: Path) -> Iterator[str]:
    """Tell which files are not as told; bytes of an unknown outcome have a marker."""
    rows = database.execute("SELECT name, sha256, stored_as FROM files").fetchall()
    told = {f"{name}.bin": data["sha256"] for name, data in kind.done.items()}
    hashes = {name: sha256 for name, sha256, _ in rows}
    yield from _differences("file", told, hashes, {f"{name}.bin" for name in kind.sent})
    stored = {stored_as: sha256 for _, sha256, stored_as in rows}
    pending = {marker.name.partition(".")[0] for marker in folder.glob("pending/*")}
    there = {file.name: file for file in folder.glob("??/??/*")}
    yield from (f"the bytes {name} are nobody's" for name in there.keys() - stored.keys() - pending)
    for name, sha256 in stored.items():
        if name not in there or hashlib.sha256(there[name].read_bytes()).hexdigest() != sha256:
            yield f"the bytes {name} are not there, or others"


def _differences(
    what: str, told: dict[str, Any], there: dict[str, Any], sent: set[str]
) -> Iterator[str]:
    yield from (f"{what} {name} is not as told" for name in told if told[name] != there.get(name))
    yield from (f"{what} {name} was never sent" for name in there if name not in sent)
