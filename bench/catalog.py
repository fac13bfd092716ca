"""What 10,000 methods cost to load, to reload, and per call."""

import gc
import http.client
import multiprocessing
import resource
import statistics
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench import report
from bench.process import resident_mib
from bench.report import BenchError, Row, spread
from bench.rounds import Options, measure, rotated, temporary_yard
from bench.servers import Server
from gateway import Gateway
from gateway.catalog.loader import load_catalog
from gateway.clock import SystemClock
from gateway.masking import Masker
from gateway.metrics import Metrics
from gateway.runtime import Runtime
from gateway.stores import MemoryStore
from server.process import COLLECTOR_THRESHOLDS

SMALL_CATALOG = "as it ships"
LARGE_CATALOG = "10,000 methods more"
SERVICES = 100
METHODS = 100  # of a service
WARM_UP_CALLS = 300
MAX_LOAD_SECONDS = 5.0
PAUSE_SECONDS = 0.002  # between two answers while a reload is watched


@dataclass(frozen=True)
class Load:
    """Seconds, of which CPU, and the most MiB that the process had."""

    wall: float
    cpu: float
    peak_mib: float


@dataclass(frozen=True)
class Reload:
    """Seconds from write to end of work; the slowest and the median answer meanwhile (ms)."""

    seconds: float
    slowest: float
    median: float


def services(mark: str = "") -> str:
    """A hundred services, each with its own credential and a hundred methods of three parameters.

    All are different.

    :param mark: makes it another catalog.
    """
    lines = []
    for service in range(SERVICES):
        lines += [
            f"  filler-{service}:",
            "    base_url: http://127.0.0.1:9",
            "    allow_private: true",
            f"    auth: {{type: bearer, token: credential-of-filler-{service}}}",
            f"    headers: {{X-Team: tools-{service}}}",
            "    methods:",
        ]
        for method in range(METHODS):
            lines += [
                f"      method-{method}:",
                f"        http: POST /things/{{id}}/{method}",
                f"        summary: Does {method} to the thing of {service}{mark}",
                "        params:",
                "          id: "
                "{type: integer, required: true, minimum: 1, "
                f"description: The thing {method} of {service}}}",
                "          name: "
                f"{{type: string, required: true, maxLength: {200 + method}, "
                f"example: name-{service}-{method}}}",
                f"          kind: {{type: string, enum: [a-{method}, b-{service}, c], default: c}}",
                "        mask: [name]",
            ]
    return "\n".join([*lines, ""])


class Quiet:
    def info(self, event: str, **fields: object) -> None: ...

    warning = error = info


def load(text: str) -> Load:
    """Read a catalog, check it, build its chains, with the collector as in gunicorn.conf.py."""
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    clock = SystemClock()
    wall_began = time.perf_counter()
    cpu_began = time.process_time()
    catalog = load_catalog(text, "services.yaml", {})
    Gateway(
        catalog,
        Runtime.create(
            MemoryStore(clock), metrics=Metrics(), clock=clock, log=Quiet(), masker=Masker()
        ),
    )
    wall = time.perf_counter() - wall_began
    cpu = time.process_time() - cpu_began
    return Load(wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def loads(text: str, times: int) -> list[Load]:
    """Each in a process of its own."""
    with ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as pool:
        return [pool.submit(load, text).result() for _ in range(times)]


def reload(server: Server, file: Path, text: str) -> Reload:
    """Write another catalog and ask the worker all the time until it has it."""
    latencies: list[float] = []
    over = threading.Event()

    def poll() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        while not over.wait(PAUSE_SECONDS):
            began = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            latencies.append((time.perf_counter() - began) * 1000)
        connection.close()

    def count_reloads() -> int:
        return server.log.read_text().count('"event":"catalog"')

    before = count_reloads()
    poller = threading.Thread(target=poll)
    poller.start()
    began = time.perf_counter()
    try:
        beside = file.with_suffix(".new")
        beside.write_text(text)
        beside.rename(file)
        while count_reloads() == before:
            if time.perf_counter() - began > 120:
                raise BenchError(f"the catalog was not taken\n{server.tail()}")
            time.sleep(0.01)
        seconds = time.perf_counter() - began
        time.sleep(1)  # the old one is freed
    finally:
        over.set()
        poller.join()
    return Reload(seconds, max(latencies), statistics.median(latencies))


def run(options: Options) -> str:
    with temporary_yard() as yard:
        servers = [
            yard.start(yard.postern(name, more))
            for name, more in ((SMALL_CATALOG, ""), (LARGE_CATALOG, services()))
        ]
        costs = _costs(servers, options)
        file = yard.folder / f"{LARGE_CATALOG}.yaml"
        text = file.read_text()
        reloads = [
            reload(servers[1], file, text.replace(" of 0\n", f" of 0, {number}\n"))
            for number in range(options.scaled(3, 1))
        ]
        sizes = [resident_mib(server.worker) for server in servers]
        loaded = loads(text, options.scaled(3, 1))
    if min(load.cpu for load in loaded) > MAX_LOAD_SECONDS:
        raise BenchError(f"to load it takes more than {MAX_LOAD_SECONDS} s of CPU: {loaded}")
    return f"{_table(costs, sizes)}\n\n{_facts(loaded, reloads)}"


def _costs(servers: list[Server], options: Options) -> dict[str, list[float]]:
    """Return the microseconds of CPU per call, round by round."""
    costs: dict[str, list[float]] = {server.name: [] for server in servers}
    for server in servers:
        measure(server, "call", WARM_UP_CALLS)
    for number in range(options.rounds):
        for server in rotated(servers, number):
            costs[server.name].append(measure(server, "call", options.scaled(1000, 100)).cpu)
    return costs


def _table(costs: dict[str, list[float]], sizes: list[float]) -> str:
    head = ["catalog", "CPU µs/call, median (min-max)", "to the small one", "MiB of the worker"]
    small = costs[SMALL_CATALOG]
    rows = [
        [name, spread(figures), spread(Row("", figures, "small", small).ratios, 2), f"{size:.0f}"]
        for (name, figures), size in zip(costs.items(), sizes, strict=True)
    ]
    return report.table(head, rows)


def _facts(loaded: list[Load], reloads: list[Reload]) -> str:
    wall = spread([load.wall for load in loaded], 1)
    cpu = spread([load.cpu for load in loaded], 1)
    peak = max(load.peak_mib for load in loaded)
    seconds = spread([reload.seconds for reload in reloads], 1)
    slowest = max(reload.slowest for reload in reloads)
    median = statistics.median(reload.median for reload in reloads)
    return (
        f"{SERVICES * METHODS:,} methods of {SERVICES} services load in {cpu} s of CPU, {wall} s "
        f"in all, with {peak:.0f} MiB at most. A worker takes a changed one in {seconds} s; "
        f"meanwhile the longest of all answers took {slowest:.0f} ms, the median one {median:.1f} "
        f"ms. The worker's MiB are those after {len(reloads)} reloads of the large one. On "
        f"{report.machine()}; {report.python_build()}, "
        f"{report.versions('PyYAML', 'marshmallow', 'gevent')}."
    )
