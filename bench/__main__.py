"""python -m bench: the CPU that one call costs on Postern and its peers, in turns."""

import argparse
import statistics
import sys

from bench import report
from bench.rounds import Round, bench_parser, measure, publish, ratio, spread, temporary_yard, turns
from bench.servers import BenchError, Server, Yard

WARM_UP_CALLS = 300
AIOHTTP = "FastAPI + aiohttp"
HTTPX = "FastAPI + httpx"
START = {
    "postern": lambda yard: yard.postern(),
    "aiohttp": lambda yard: yard.uvicorn(AIOHTTP, "fastapi_aiohttp:app"),
    "httpx": lambda yard: yard.uvicorn(HTTPX, "fastapi_httpx:app"),
    "requests": lambda yard: yard.gunicorn(
        "Flask + requests", "flask_requests:app", "gthread", "--threads", "16"
    ),
}
PACKAGES = (
    "flask",
    "gunicorn",
    "gevent",
    "fastapi",
    "uvicorn",
    "uvloop",
    "httptools",
    "httpx",
    "aiohttp",
    "requests",
)


def calls(yard: Yard, server: Server, number: int, concurrency: int) -> Round:
    """:raises BenchError: also when a call did not reach the sandbox."""
    before = yard.received()
    result = measure(server, "call", number, concurrency)
    if yard.received() - before < number:
        raise BenchError(f"{server.name}: fewer requests reached the sandbox than were answered")
    return result


def table(rounds: dict[str, list[Round]]) -> str:
    head = [
        "server",
        "CPU µs/call, median (min-max)",
        "calls/s",
        "p50 ms",
        "p99 ms",
        f"to {AIOHTTP}",
        f"to {HTTPX}",
    ]
    rows = [
        [
            name,
            spread([one.cpu for one in results]),
            f"{statistics.median(one.load.rate for one in results):.0f}",
            f"{statistics.median(one.load.p50 for one in results):.1f}",
            f"{statistics.median(one.load.p99 for one in results):.1f}",
            *(
                ratio(results, rounds[to]) if to in rounds and to != name else "-"
                for to in (AIOHTTP, HTTPX)
            ),
        ]
        for name, results in rounds.items()
    ]
    return report.table(head, rows)


def facts(options: argparse.Namespace) -> str:
    return (
        f"{options.rounds} rounds of {options.requests} calls, {options.concurrency} at a time, "
        "one worker process "
        f"each, sandbox and load on the same {report.machine()}; {report.versions(*PACKAGES)}. "
        "All log to a file: Postern a JSON line a request and one an attempt, the others an access "
        "line. "
        "A caller's token stays the same, so Postern has it verified already; the others verify it "
        "each time. "
        "Postern keeps up the vendor's token, retries and masks its log; the others do not."
    )


def run(options: argparse.Namespace) -> str:
    with temporary_yard() as yard:
        servers = [START[key](yard) for key in options.only]
        for server in servers:
            calls(yard, server, WARM_UP_CALLS, options.concurrency)
        rounds: dict[str, list[Round]] = {server.name: [] for server in servers}
        for number, turn in enumerate(turns(servers, options.rounds), 1):
            for server in turn:
                rounds[server.name].append(
                    calls(yard, server, options.requests, options.concurrency)
                )
            progress = ", ".join(
                f"{name} {results[-1].cpu:.0f}" for name, results in rounds.items()
            )
            print(f"round {number}/{options.rounds}: {progress}", file=sys.stderr)
    return f"{table(rounds)}\n\n{facts(options)}"


def arguments() -> argparse.Namespace:
    command = bench_parser("bench", __doc__, rounds=7, requests=1000, max_requests=20000)
    command.add_argument(
        "--only", nargs="+", choices=START, default=list(START), metavar="|".join(START)
    )
    options = command.parse_args()
    options.only = list(dict.fromkeys(options.only))
    if options.write and len(options.only) < len(START):
        command.error("--write takes the whole table: leave out --only")
    return options


if __name__ == "__main__":
    options = arguments()
    publish(lambda: run(options), "bench", write=options.write)
