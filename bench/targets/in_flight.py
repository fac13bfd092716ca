"""Two thousand calls under way at once, each of five seconds: none fails, and what each holds."""

import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass

from bench.process import MemoryWatch, resident_mib
from bench.report import Row
from bench.rounds import Options, measure, progress, rotated
from bench.servers import Program, Server, Yard
from bench.targets.works import POSTERN, PROGRAMS

NAMES = ("in_flight",)
PEER = "gateway"
CALLS = 2000
MAX_ROUNDS = 3
RAMP_PER_SECOND = 500  # all have begun before the first has ended
SETTLE_SECONDS = 1.5
MAX_KIB = 22


@dataclass(frozen=True)
class Holding:
    """What a fresh worker showed: how many calls failed, and the KiB by which it grew for each."""

    failures: int
    connection_kib: float
    call_kib: float


def rows(yard: Yard, options: Options, names: list[str]) -> list[Row]:
    calls = options.scaled(CALLS, 200)
    programs = {key: PROGRAMS[key](yard) for key in (POSTERN, PEER)}
    results: dict[str, list[Holding]] = {key: [] for key in programs}
    for number in range(min(options.rounds, MAX_ROUNDS)):
        for key in rotated(programs, number):
            results[key].append(_hold(yard, programs[key], calls))
            progress(f"in flight, {key}: {results[key][-1]}")
    limits = {
        f"{calls:,} calls of 5 s in flight, failures": ("failures", 0),
        "each of them beside its connection, KiB": ("call_kib", MAX_KIB),
        f"each of {calls:,} idle connections, KiB": ("connection_kib", None),
    }
    return [
        Row(
            what,
            [getattr(holding, field) for holding in results[POSTERN]],
            programs[PEER].name,
            [getattr(holding, field) for holding in results[PEER]],
            max_figure=limit,
        )
        for what, (field, limit) in limits.items()
    ]


def _hold(yard: Yard, program: Program, calls: int) -> Holding:
    server = yard.start(program)
    measure(server, "cached", 200)
    with MemoryWatch(server.worker) as watch:
        connections_mib = _connections_mib(server, calls)
        load = measure(
            server, "slow", calls, calls, rate=RAMP_PER_SECOND, counts_failures=True
        ).load
    yard.stop(server)
    calls_mib = watch.grown - connections_mib
    return Holding(load.failures, connections_mib * 1024 / calls, calls_mib * 1024 / calls)


def _connections_mib(server: Server, number: int) -> float:
    """Return by how much the worker grew for so many connections that carry nothing."""
    before = resident_mib(server.worker)
    with ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        time.sleep(SETTLE_SECONDS)
        return resident_mib(server.worker) - before
