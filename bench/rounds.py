"""Rounds that take turns: what a request costs each server, measured while the others rest."""

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from bench import report
from bench.load import Job, Outcome
from bench.servers import ROOT, BenchError, Server, Yard

T = TypeVar("T")


@dataclass(frozen=True)
class Round:
    """What one server showed in one round; ``cpu`` in microseconds per request."""

    cpu: float
    load: Outcome


def measure(server: Server, kind: str, requests: int, concurrency: int) -> Round:
    """Put one server under load while the others rest.

    :raises BenchError: a wrong answer, a worker that died.
    """
    job = Job(kind, server.port, server.token, requests, concurrency)
    pids_before, cpu_before = server.cpu()
    try:
        process = subprocess.run(
            [sys.executable, "-m", "bench.load"], cwd=ROOT, input=json.dumps(asdict(job)),
            text=True, capture_output=True, timeout=30 + requests / 20,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BenchError(
            f"{server.name} took over {error.timeout:.0f} s for {requests}\n{server.tail()}"
        ) from error
    if process.returncode:
        raise BenchError(f"{server.name}: {process.stderr.strip()}\n{server.tail()}")
    pids, cpu = server.cpu()
    if pids != pids_before:
        raise BenchError(f"{server.name}: its processes changed during a round\n{server.tail()}")
    return Round((cpu - cpu_before) / requests * 1e6, Outcome(**json.loads(process.stdout)))


def turns(servers: Sequence[T], rounds: int) -> Iterator[Sequence[T]]:
    """The servers for each round, each time another one first."""
    for number in range(rounds):
        turn = number % len(servers)
        yield [*servers[turn:], *servers[:turn]]


def spread(values: Sequence[float], digits: int = 0) -> str:
    """Median (least-most)."""
    median = statistics.median(values)
    return f"{median:.{digits}f} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def ratio(rounds: Sequence[Round], peer_rounds: Sequence[Round]) -> str:
    """Return the CPU as a multiple of a peer's, round by round."""
    return spread([a.cpu / b.cpu for a, b in zip(rounds, peer_rounds, strict=True)], 2)


def within(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be from {low} to {high}")
        return int(text)

    return read


def bench_parser(
    name: str, about: str | None, rounds: int, requests: int, max_requests: int
) -> argparse.ArgumentParser:
    command = argparse.ArgumentParser(prog=f"python -m {name}", description=about)
    command.add_argument("--rounds", type=within(1, 50), default=rounds)
    command.add_argument(
        "--requests", type=within(100, max_requests), default=requests, help="a round and server"
    )
    command.add_argument("--concurrency", type=within(1, 64), default=16)
    command.add_argument("--write", action="store_true", help="write the table into docs/speed.md")
    return command


@contextmanager
def temporary_yard() -> Iterator[Yard]:
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder, Yard(Path(folder)) as yard:
        yield yard


def publish(
    make_table: Callable[[], str],
    mark: str,
    *,
    write: bool,
    failures: tuple[type[Exception], ...] = (),
) -> None:
    """Print the table, and write it into docs/speed.md if asked to; exit on a failure."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        text = make_table()
        print(text)
        if write:
            report.write(mark, text)
    except (BenchError, *failures) as failure:
        sys.exit(f"bench: {failure}")
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
