"""python -m bench.catalog_size: what 10,000 methods cost to load, to reload, and per call."""

import argparse
import gc
import http.client
import multiprocessing
import re
import resource
import statistics
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench import report
from bench.rounds import Round, measure, parser, publish, ratio, spread, turns, yard
from bench.servers import BenchError, Server
from gateway import Gateway
from gateway.catalog.loader import load_catalog
from gateway.clock import SystemClock
from gateway.masking import Masker
from gateway.metrics import Metrics
from gateway.runtime import Runtime
from gateway.stores import MemoryStore

SMALL, LARGE = "as it ships", "10,000 methods more"
SERVICES, METHODS = 100, 100
WARM_UP = 300  # calls
ALLOWED = 5.0  # seconds to load
PAUSE = 0.002  # seconds between two answers while a reload is watched


@dataclass(frozen=True)
class Load:
    """Seconds, of which CPU, and the most MiB that the process had."""

    wall: float
    cpu: float
    most: float


@dataclass(frozen=True)
class Reload:
    """Seconds from write to end of work; the slowest and the median answer meanwhile (ms)."""

    took: float
    longest: float
    median: float


def services(mark: str = "") -> str:
    """A hundred services, each with its own credential and a hundred methods of three parameters.

    All are different.

    :param mark: makes it another catalog.
    """
    lines = []
    for one in range(SERVICES):
        lines += [
            f"  filler-{one}:",
            "    base_url: http://127.0.0.1:9",
            "    allow_private: true",
            f"    auth: {{type: bearer, token: credential-of-filler-{one}}}",
            f"    headers: {{X-Team: tools-{one}}}",
            "    methods:",
        ]
        for two in range(METHODS):
            lines += [
                f"      method-{two}:",
                f"        http: POST /things/{{id}}/{two}",
                f"        summary: Does {two} to the thing of {one}{mark}",
                "        params:",
                "          id: "
                f"{{type: integer, required: true, minimum: 1, description: The thing {two} of {one}}}",
                "          name: "
                f"{{type: string, required: true, maxLength: {200 + two}, example: name-{one}-{two}}}",
                f"          kind: {{type: string, enum: [a-{two}, b-{one}, c], default: c}}",
                "        mask: [name]",
            ]
    return "\n".join([*lines, ""])


class Quiet:
    def info(self, event: str, **fields: object) -> None: ...

    warning = error = info


def load(text: str) -> Load:
    """Read a catalog, check it, build its chains, with the collector as in gunicorn.conf.py."""
    gc.set_threshold(50_000, 20, 50)
    clock, wall, cpu = SystemClock(), time.perf_counter(), time.process_time()
    catalog = load_catalog(text, "services.yaml", {})
    Gateway(
        catalog,
        Runtime.create(
            MemoryStore(clock), metrics=Metrics(), clock=clock, log=Quiet(), masker=Masker()
        ),
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Load(wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def loads(text: str, times: int) -> list[Load]:
    """Each in a process of its own."""
    with ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        return [pool.submit(load, text).result() for _ in range(times)]


def resident(server: Server) -> float:
    """MiB of the worker now."""
    [worker] = server.cpu()[0] - {server.process.pid}
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{worker}/status").read_text())
    assert found
    return int(found[1]) / 1024


def reload(server: Server, file: Path, text: str) -> Reload:
    """Write another catalog and ask the worker all the time until it has it."""
    answers, over = list[float](), threading.Event()

    def ask() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        while not over.wait(PAUSE):
            began = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            answers.append((time.perf_counter() - began) * 1000)
        connection.close()

    def taken() -> int:
        return server.log.read_text().count('"event":"catalog"')

    before, asking = taken(), threading.Thread(target=ask)
    asking.start()
    began = time.perf_counter()
    try:
        beside = file.with_suffix(".new")
        beside.write_text(text)
        beside.rename(file)
        while taken() == before:
            if time.perf_counter() - began > 120:
                raise BenchError(f"the catalog was not taken\n{server.tail()}")
            time.sleep(0.01)
        took = time.perf_counter() - began
        time.sleep(1)  # the old one is freed
    finally:
        over.set()
        asking.join()
    return Reload(took, max(answers), statistics.median(answers))


def told(
    loaded: list[Load], rounds: dict[str, list[Round]], sizes: list[float], reloads: list[Reload]
) -> str:
    head = ["catalog", "CPU µs/call, median (min-max)", "to the small one", "MiB of the worker"]
    rows = [
        [name, spread([one.cpu for one in each]), ratio(each, rounds[SMALL]), f"{size:.0f}"]
        for (name, each), size in zip(rounds.items(), sizes, strict=True)
    ]
    wall, most = spread([each.wall for each in loaded], 1), max(each.most for each in loaded)
    took, cpu = spread([each.took for each in reloads], 1), spread([each.cpu for each in loaded], 1)
    longest, median = (
        max(each.longest for each in reloads),
        statistics.median(each.median for each in reloads),
    )
    return (
        f"{report.table(head, rows)}\n\n"
        f"{SERVICES * METHODS:,} methods of {SERVICES} services load in {cpu} s of CPU, "
        f"{wall} s in all, with {most:.0f} MiB at most. "
        f"A worker takes a changed one in {took} s; meanwhile the longest of all answers took "
        f"{longest:.0f} ms, "
        f"the median one {median:.1f} ms. The worker's MiB are those after {len(reloads)} reloads "
        "of the large one. "
        f"On {report.machine()}; {report.versions('PyYAML', 'marshmallow', 'gevent')}."
    )


def run(options: argparse.Namespace) -> str:
    with yard() as made:
        servers = [made.postern(SMALL), made.postern(LARGE, services())]
        for server in servers:
            measure(server, "call", WARM_UP, options.concurrency)
        rounds: dict[str, list[Round]] = {server.name: [] for server in servers}
        for each in turns(servers, options.rounds):
            for server in each:
                rounds[server.name].append(
                    measure(server, "call", options.requests, options.concurrency)
                )
        file = made.folder / f"{LARGE}.yaml"
        text = file.read_text()
        reloads = [
            reload(servers[1], file, text.replace(" of 0\n", f" of 0, {turn}\n"))
            for turn in range(3)
        ]
        sizes = [resident(server) for server in servers]
        loaded = loads(text, 3)
    if min(each.cpu for each in loaded) > ALLOWED:
        raise BenchError(f"to load it takes more than {ALLOWED} s of CPU: {loaded}")
    return told(loaded, rounds, sizes, reloads)


def main() -> None:
    options = parser(
        "bench.catalog_size", __doc__, rounds=7, requests=1000, most=20000
    ).parse_args()
    publish(lambda: run(options), "bench:catalog", write=options.write)


if __name__ == "__main__":
    main()
