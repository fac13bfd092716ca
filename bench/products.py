"""python -m bench.products: the CPU of reading and creating products, on Postern and its peers."""

import argparse
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from bench import report
from bench.fill import FILL
from bench.request_kinds import PAGE, ROWS
from bench.rounds import Round, bench_parser, measure, publish, ratio, spread, temporary_yard, turns
from bench.servers import Server, Yard

POSTERN = "Postern"
FASTAPI = "FastAPI + SQLAlchemy"
DJANGO = "Django REST framework"
WARM_UP_REQUESTS = 200  # of each kind
# In this order: a write empties Postern's cache, so that the reads after it are not cached.
KINDS = {
    "create": "create one",
    "pages": f"list {PAGE}, each time another page",
    "items": "get one, each time another",
    "page": f"list {PAGE}, the same again",
    "item": "get one, the same again",
}
PACKAGES = ("flask", "gunicorn", "gevent", "sqlalchemy", "fastapi", "uvicorn", "uvloop",
    "httptools", "pydantic",
            "django", "djangorestframework")  # fmt: skip


def start(yard: Yard) -> list[Server]:
    """All on one file: made by Postern's migrations, then filled."""
    servers = [
        yard.postern(),
        yard.uvicorn(FASTAPI, "fastapi_products:app"),
        yard.gunicorn(DJANGO, "django_products:application", "gevent"),
    ]
    with closing(sqlite3.connect(yard.database)) as connection, connection:
        connection.execute(FILL["sqlite"], {"rows": ROWS})
    return servers


def clear(database: Path) -> None:
    """Take out what was created, so that every list is as long as every other."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("DELETE FROM products WHERE id > ?", (ROWS,))


def table(rounds: dict[str, dict[str, list[Round]]]) -> str:
    head = [
        "CPU µs/request, median (min-max)",
        POSTERN,
        FASTAPI,
        DJANGO,
        f"to {FASTAPI}",
        f"to {DJANGO}",
    ]
    rows = []
    for kind, results in rounds.items():
        cpu = [spread([one.cpu for one in results[name]]) for name in (POSTERN, FASTAPI, DJANGO)]
        rows.append(
            [
                KINDS[kind],
                *cpu,
                *(ratio(results[POSTERN], results[peer]) for peer in (FASTAPI, DJANGO)),
            ]
        )
    return report.table(head, rows)


def facts(options: argparse.Namespace) -> str:
    return (
        f"{options.rounds} rounds of {options.requests} requests, {options.concurrency} at a time, "
        "one worker process "
        f"each on the same SQLite file (WAL) of {ROWS:,} products, load on the same "
        f"{report.machine()}; "
        f"{report.versions(*PACKAGES)}. All answer the same fields in the same envelope and count "
        "the list for "
        "every page. Postern keeps reads until the next write: *another* are products and pages "
        "not asked for since "
        "then. FastAPI's endpoints are coroutines that wait for SQLite as Postern's worker does; "
        "in its threads they "
        "cost 1.6 to 2 times as much. Postern logs a JSON line a request, the others an access "
        "line. A caller's token "
        "stays the same, so Postern has it verified already; the others verify it each time."
    )


def run(options: argparse.Namespace) -> str:
    with temporary_yard() as yard:
        servers = start(yard)
        rounds = {kind: {server.name: [] for server in servers} for kind in options.only}
        for kind in options.only:
            for server in servers:
                measure(server, kind, WARM_UP_REQUESTS, options.concurrency)
        for number, turn in enumerate(turns(servers, options.rounds), 1):
            for kind, results in rounds.items():
                for server in turn:
                    results[server.name].append(
                        measure(server, kind, options.requests, options.concurrency)
                    )
                    clear(yard.database)
                progress = ", ".join(f"{name} {done[-1].cpu:.0f}" for name, done in results.items())
                print(
                    f"round {number}/{options.rounds}, {KINDS[kind]}: {progress}", file=sys.stderr
                )
    return f"{table(rounds)}\n\n{facts(options)}"


def arguments() -> argparse.Namespace:
    command = bench_parser(
        "bench.products", __doc__, rounds=5, requests=400, max_requests=ROWS - PAGE
    )
    command.add_argument(
        "--only", nargs="+", choices=KINDS, default=list(KINDS), metavar="|".join(KINDS)
    )
    options = command.parse_args()
    options.only = [kind for kind in KINDS if kind in options.only]
    if options.write and len(options.only) < len(KINDS):
        command.error("--write takes the whole table: leave out --only")
    return options


if __name__ == "__main__":
    options = arguments()
    publish(lambda: run(options), "bench:products", write=options.write)
