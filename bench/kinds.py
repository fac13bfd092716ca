"""python -m bench.kinds: the CPU of more than the plain call, on Postern and a peer."""

import argparse
import sys
from dataclasses import replace

from bench import report
from bench.rounds import Round, bench_parser, measure, publish, ratio, spread, temporary_yard, turns
from bench.servers import Server, Yard

POSTERN = "Postern"
PEER = "FastAPI + aiohttp"
WARM_UP_REQUESTS = 100
KINDS = {
    "call": "a call with a bearer token",
    "signed": "a call that an app signed",
    "cached": "a read from the cache",
    "batch": "a batch of ten calls",
    "proxy_1k": "1 KB proxied",
    "proxy_1m": "1 MB proxied",
}
SLOW_KINDS = {"batch": 4, "proxy_1m": 4}  # so many times fewer requests a round
SERVICE = """\
  bench:
    base_url: {vendor}
    allow_private: true
    proxy: [/bytes/*]
    methods:
      cached: {{http: GET /anything, params: {{page: {{type: integer}}}}, cache: {{ttl: 3600}}}}
"""
PACKAGES = ("flask", "gunicorn", "gevent", "fastapi", "uvicorn", "uvloop", "httptools", "aiohttp")


def start(yard: Yard) -> dict[str, dict[str, Server]]:
    """Start the servers; each kind has its own, with the token that its callers show."""
    postern = yard.postern(more=SERVICE.format(vendor=yard.vendor))
    plain = yard.uvicorn(PEER, "fastapi_aiohttp:app")
    gateway = yard.uvicorn(f"{PEER}, gateway", "fastapi_gateway:app")
    servers = {}
    for kind in KINDS:
        peer = plain if kind == "call" else gateway
        servers[kind] = {POSTERN: postern, PEER: peer}
    app = {
        name: replace(server, token=yard.app_token) for name, server in servers["signed"].items()
    }
    return servers | {"signed": app}


def requests_of(kind: str, options: argparse.Namespace) -> int:
    return int(options.requests / SLOW_KINDS.get(kind, 1))


def table(rounds: dict[str, dict[str, list[Round]]]) -> str:
    head = ["CPU µs/request, median (min-max)", POSTERN, PEER, f"to {PEER}"]
    rows = []
    for kind, servers in rounds.items():
        cpu = [spread([result.cpu for result in servers[name]]) for name in (POSTERN, PEER)]
        rows.append([KINDS[kind], *cpu, ratio(servers[POSTERN], servers[PEER])])
    return report.table(head, rows)


def facts(options: argparse.Namespace) -> str:
    return (
        f"{options.rounds} rounds of {options.requests} requests (a quarter of them for batches "
        "and 1 MB), "
        f"{options.concurrency} at a time, one worker process each, sandbox and load on the same "
        f"{report.machine()}; {report.versions(*PACKAGES)}."
    )


def run(options: argparse.Namespace) -> str:
    with temporary_yard() as yard:
        servers = start(yard)
        rounds: dict[str, dict[str, list[Round]]] = {
            kind: {POSTERN: [], PEER: []} for kind in options.only
        }
        for kind in options.only:
            for server in servers[kind].values():
                measure(server, kind, WARM_UP_REQUESTS, options.concurrency)
        for number, turn in enumerate(turns((POSTERN, PEER), options.rounds), 1):
            for kind in options.only:
                for name in turn:
                    done = measure(
                        servers[kind][name], kind, requests_of(kind, options), options.concurrency
                    )
                    rounds[kind][name].append(done)
                costs = ", ".join(
                    f"{name} {results[-1].cpu:.0f}" for name, results in rounds[kind].items()
                )
                print(f"round {number}/{options.rounds}, {KINDS[kind]}: {costs}", file=sys.stderr)
    return f"{table(rounds)}\n\n{facts(options)}"


def arguments() -> argparse.Namespace:
    arguments = bench_parser("bench.kinds", __doc__, rounds=5, requests=1000, max_requests=20000)
    arguments.add_argument(
        "--only", nargs="+", choices=KINDS, default=list(KINDS), metavar="|".join(KINDS)
    )
    options = arguments.parse_args()
    options.only = [kind for kind in KINDS if kind in options.only]
    if options.write and len(options.only) < len(KINDS):
        arguments.error("--write takes the whole table: leave out --only")
    return options


if __name__ == "__main__":
    options = arguments()
    publish(lambda: run(options), "bench:kinds", write=options.write)
