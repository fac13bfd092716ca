"""Whether what callers were told and what is there agree, once all has been sent and answered."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import requests

from bench.chaos.callers import Kind
from sandbox import Sandbox
from tests.e2e.live import Live

STOCK = 1_000_000  # of the product that is ordered, at the beginning


def disagreements(kinds: list[Kind], live: Live, box: Sandbox, database_url: str) -> list[str]:
    """Return where they do not."""
    by_name = {kind.name: kind for kind in kinds}
    with psycopg.connect(database_url) as database:
        problems = [
            *_executions(by_name["call"], box),
            *_executions(by_name["keyed"], box),
            *_charges(by_name["charge"], box),
            *_products(by_name["product"], database),
            *_orders(by_name["order"], database),
            *_files(by_name["upload"], database, Path(live.env["FILES_DIR"])),
        ]
    if "Traceback" in live.log or '"event":"unforeseen"' in live.log:
        problems.append("the log has a traceback")
    return problems


def _executions(kind: Kind, box: Sandbox) -> Iterator[str]:
    """Tell which calls the service has got twice, or never though the caller was told so."""
    requests_there = box.requests
    counts = Counter(
        json.loads(request.body)["name"]
        for request in requests_there
        if (request.verb, request.path) == ("POST", "/items")
    )
    yield from (f"{name} was sent {counts[name]} times" for name in kind.sent if counts[name] > 1)
    if len(requests_there) == box.stats()["requests"]:  # it remembers no more than the last ones
        yield from (f"{name} succeeded unsent" for name in kind.done if not counts[name])


def _charges(kind: Kind, box: Sandbox) -> Iterator[str]:
    payments = requests.get(f"{box.url}/payments", timeout=10).json()
    charged = Counter(f"charge-{payment['order_id']}" for payment in payments)
    yield from (f"{name} is charged {n} times" for name, n in charged.items() if n > 1)
    yield from (f"{name} is paid, not charged" for name in kind.done if not charged[name])


def _products(kind: Kind, database: psycopg.Connection[Any]) -> Iterator[str]:
    rows = database.execute("SELECT name, id FROM products WHERE name LIKE 'product-%'").fetchall()
    answers = {name: data["id"] for name, data in kind.done.items()}
    yield from _differences("product", answers, dict(rows), kind.sent)


def _orders(kind: Kind, database: psycopg.Connection[Any]) -> Iterator[str]:
    orders = {row[0] for row in database.execute("SELECT id FROM orders")}
    answers = {data["id"] for data in kind.done.values()}
    undecided = len(kind.sent) - len(kind.done)
    if answers - orders:
        yield f"{len(answers - orders)} orders were answered and are not there"
    if len(orders) > len(answers) + undecided:
        yield f"{len(orders)} orders for {len(kind.sent)} keys"
    [ordered] = database.execute("SELECT coalesce(sum(quantity), 0) FROM order_lines").fetchone()
    [stock] = database.execute("SELECT stock FROM products WHERE name = 'Tea'").fetchone()
    if stock + ordered != STOCK:
        yield f"{ordered} were ordered of {STOCK}, and {stock} are in stock"


def _files(kind: Kind, database: psycopg.Connection[Any], folder: Path) -> Iterator[str]:
    """Tell which files are not as told; bytes of an unknown outcome have a marker."""
    rows = database.execute("SELECT name, sha256, stored_as FROM files").fetchall()
    answers = {f"{name}.bin": data["sha256"] for name, data in kind.done.items()}
    hashes = {name: sha256 for name, sha256, _ in rows}
    yield from _differences("file", answers, hashes, {f"{name}.bin" for name in kind.sent})
    stored = {stored_as: sha256 for _, sha256, stored_as in rows}
    pending = {marker.name.partition(".")[0] for marker in folder.glob("pending/*")}
    there = {file.name: file for file in folder.glob("??/??/*")}
    yield from (f"the bytes {name} are nobody's" for name in there.keys() - stored.keys() - pending)
    for name, sha256 in stored.items():
        if name not in there or hashlib.sha256(there[name].read_bytes()).hexdigest() != sha256:
            yield f"the bytes {name} are not there, or others"


def _differences(
    what: str, answers: dict[str, Any], rows: dict[str, Any], sent: set[str]
) -> Iterator[str]:
    yield from (
        f"{what} {name} is not as told" for name in answers if answers[name] != rows.get(name)
    )
    yield from (f"{what} {name} was never sent" for name in rows if name not in sent)
