"""The CPU of each kind of work, on Postern and on peers written for it."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace

from bench.fill import FILL
from bench.peers.programs import gunicorn, nginx, uvicorn
from bench.report import BenchError, Row
from bench.request_kinds import PAGE, ROWS
from bench.rounds import Options, measure, progress, rotated
from bench.servers import Program, Server, Yard

POSTERN = "postern"
AIOHTTP = "FastAPI + aiohttp"
WARM_UP_REQUESTS = 200
PROGRAMS: Mapping[str, Callable[[Yard], Program]] = {
    POSTERN: lambda yard: yard.postern(),
    "aiohttp": lambda yard: uvicorn(yard, AIOHTTP, "fastapi_aiohttp:app"),
    "memo": lambda yard: uvicorn(
        yard,
        f"{AIOHTTP}, token memo",
        "fastapi_aiohttp:app",
        TOKEN_MEMO="yes",  # noqa: S106 - a switch of the peer
    ),
    "httpx": lambda yard: uvicorn(yard, "FastAPI + httpx", "fastapi_httpx:app"),
    "requests": lambda yard: gunicorn(
        yard, "Flask + requests", "flask_requests:app", "gthread", "--threads", "16"
    ),
    "nginx": lambda yard: nginx(yard, "nginx `proxy_pass`"),
    "gateway": lambda yard: uvicorn(yard, AIOHTTP, "fastapi_gateway:app"),
    "sqlalchemy": lambda yard: uvicorn(yard, "FastAPI + SQLAlchemy", "fastapi_products:app"),
    "django": lambda yard: gunicorn(
        yard, "Django REST framework", "django_products:application", "gevent"
    ),
}


@dataclass(frozen=True)
class Work:
    """A kind of request whose CPU is compared.

    :ivar peers: each with the most that Postern may cost as a multiple of it, if there is a target.
    :ivar requests: of one round.
    :ivar follows_write: what Postern keeps of reads is dropped first.
    """

    what: str
    peers: Mapping[str, float | None]
    requests: int = 2000
    follows_write: bool = False


WORKS = {
    "call": Work(
        "call with a bearer token",
        {"aiohttp": 0.60, "memo": None, "httpx": 0.20, "requests": None, "nginx": None},
    ),
    "signed": Work("call that an app signed", {"gateway": 0.75}),
    "cached": Work("read from the cache", {"gateway": 0.60}),
    "batch": Work("batch of ten calls", {"gateway": 0.80}, requests=400),
    "proxy_1k": Work("1 KB proxied", {"gateway": 0.70, "nginx": None}),
    "proxy_1m": Work("1 MB proxied", {"gateway": 0.70, "nginx": None}, requests=400),
    "pages": Work(
        f"list {PAGE}, not kept", {"sqlalchemy": 0.60, "django": None}, 400, follows_write=True
    ),
    "items": Work(
        "get one, not kept", {"sqlalchemy": 0.60, "django": None}, 400, follows_write=True
    ),
    "create": Work("create one", {"sqlalchemy": 0.75, "django": None}, 400),
    "page": Work(f"list {PAGE}, kept", {"sqlalchemy": None, "django": None}, 400),
    "item": Work("get one, kept", {"sqlalchemy": None, "django": None}, 400),
}
NAMES = tuple(WORKS)
REACH_VENDOR = ("call", "signed")
Costs = dict[str, dict[str, list[float]]]


def rows(yard: Yard, options: Options, names: list[str]) -> list[Row]:
    """Return a row for each work and peer."""
    keys = {key for name in names for key in (POSTERN, *WORKS[name].peers)}
    servers = {key: yard.start(PROGRAMS[key](yard)) for key in PROGRAMS if key in keys}
    _fill(yard)
    costs: Costs = {name: {key: [] for key in (POSTERN, *WORKS[name].peers)} for name in names}
    warm_up = options.scaled(WARM_UP_REQUESTS, 20)
    for name in names:
        for key in costs[name]:
            _cost(yard, servers[key], name, warm_up)
    for number in range(options.rounds):
        for name in names:
            _measure(yard, servers, costs, name, number, options)
    return [
        Row(
            f"{WORKS[name].what}, CPU µs",
            costs[name][POSTERN],
            servers[peer].name,
            costs[name][peer],
            max_ratio=target,
        )
        for name in names
        for peer, target in WORKS[name].peers.items()
    ]


def _measure(
    yard: Yard, servers: dict[str, Server], costs: Costs, name: str, number: int, options: Options
) -> None:
    """Do one round of one work."""
    for key in rotated(costs[name], number):
        costs[name][key].append(
            _cost(yard, servers[key], name, options.scaled(WORKS[name].requests, 50))
        )
    figures = ", ".join(f"{key} {costs[name][key][-1]:.0f}" for key in costs[name])
    progress(f"round {number + 1}/{options.rounds}, {name}: {figures}")


def _cost(yard: Yard, server: Server, name: str, requests: int) -> float:
    """Return microseconds of CPU per request.

    :raises BenchError: also when fewer requests reached the sandbox than were answered.
    """
    if name == "signed":
        server = replace(server, token=yard.app_token)
    if WORKS[name].follows_write:
        measure(server, "create", 1, 1)
        _clear(yard)
    received = yard.received()
    cost = measure(server, name, requests).cpu
    if name in REACH_VENDOR and yard.received() - received < requests:
        raise BenchError(f"{server.name}: not every request reached the sandbox")
    if name == "create":
        _clear(yard)
    return cost


def _fill(yard: Yard) -> None:
    with closing(sqlite3.connect(yard.database)) as connection, connection:
        connection.execute(FILL["sqlite"], {"rows": ROWS})


def _clear(yard: Yard) -> None:
    """Take out what was created, so that every list is as long as every other."""
    with closing(sqlite3.connect(yard.database)) as connection, connection:
        connection.execute("DELETE FROM products WHERE id > ?", (ROWS,))
