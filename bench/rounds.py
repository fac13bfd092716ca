"""Rounds that take turns: what a request costs each server, measured while the others rest."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.load import Job, Outcome
from bench.report import ROOT, BenchError
from bench.servers import Server, Yard

T = TypeVar("T")
CONNECTIONS = 16
SPARE_SECONDS = 60  # beyond what a job should take


@dataclass(frozen=True)
class Options:
    """How a benchmark is to run.

    :ivar rounds: of each measurement.
    :ivar quick: as little of everything as shows that it works; the figures mean nothing.
    :ivar only: rows of the targets' table to measure; all if empty.
    :ivar writes: what is drawn is kept in docs/.
    """

    rounds: int = 7
    quick: bool = False
    only: tuple[str, ...] = ()
    writes: bool = False

    def scaled(self, number: int, quick_number: int) -> int:
        return quick_number if self.quick else number


@dataclass(frozen=True)
class Round:
    """What one server showed in one round; ``cpu`` in microseconds per request."""

    cpu: float
    load: Outcome


def measure(
    server: Server, kind: str, requests: int, connections: int = CONNECTIONS, **more: Any
) -> Round:
    """Put one server under load while the others rest.

    :param more: of the `Job`.
    :raises BenchError: a wrong answer, a worker that died.
    """
    job = Job(kind, server.port, server.token, requests, connections, **more)
    pids_before, cpu_before = server.cpu()
    outcome = _run(server, job)
    pids, cpu = server.cpu()
    if pids != pids_before:
        raise BenchError(f"{server.name}: its processes changed during a round\n{server.tail()}")
    return Round((cpu - cpu_before) / requests * 1e6, outcome)


def _run(server: Server, job: Job) -> Outcome:
    """Do a job in a process of its own."""
    seconds = SPARE_SECONDS + (job.requests / job.rate if job.rate else job.requests / 20)
    try:
        process = subprocess.run(
            [sys.executable, "-m", "bench.load"], cwd=ROOT, input=json.dumps(asdict(job)),
            text=True, capture_output=True, timeout=seconds,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise BenchError(
            f"{server.name} took over {seconds:.0f} s for {job.requests}\n{server.tail()}"
        ) from error
    if process.returncode:
        raise BenchError(f"{server.name}: {process.stderr.strip()}\n{server.tail()}")
    return Outcome(**json.loads(process.stdout))


def rotated(items: Iterable[T], round_number: int) -> list[T]:
    """Return the items as a round takes them, each time another one first."""
    entries = list(items)
    first = round_number % len(entries)
    return [*entries[first:], *entries[:first]]


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def temporary_yard() -> Iterator[Yard]:
    with tempfile.TemporaryDirectory(prefix="postern-bench-") as folder, Yard(Path(folder)) as yard:
        yield yard
