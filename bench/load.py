"""The load: ``python -m bench.load`` takes a job as JSON on stdin, prints the outcome."""

import asyncio
import json
import resource
import selectors
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from secrets import token_hex

from bench.request_kinds import REQUEST_KINDS

MAX_SELECT_CONNECTIONS = 512  # select() knows no file beyond 1023


@dataclass(frozen=True)
class Job:
    """What to send.

    :ivar connections: opened before the first request; each carries one request at a time.
    :ivar rate: requests per second, due one by one; 0 sends as soon as a connection is idle.
    :ivar counts_failures: wrong answers are counted; otherwise the first one ends the job.
    """

    kind: str
    port: int
    token: str
    requests: int
    connections: int
    rate: float = 0.0
    counts_failures: bool = False


@dataclass(frozen=True)
class Outcome:
    """``rate`` in requests per second, ``p50`` and ``p99`` in milliseconds, of right answers.

    A request's time counts from the moment that it was due, whether or not it could be sent.
    """

    rate: float
    p50: float
    p99: float
    failures: int


class Run:
    """What the connections share. ``done`` ends with the last answer or the first wrong one."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.kind = REQUEST_KINDS[job.kind]
        mark = token_hex(4)
        self.messages = [
            self.kind.request(number, mark, job.token) for number in range(job.requests)
        ]
        self.due: deque[tuple[int, float | None]] = deque()
        self.idle: deque[Client] = deque()
        self.latencies: list[float] = []
        self.failures = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def send_all(self) -> None:
        """Make every request due in its turn, and wait for all answers."""
        if not self.job.rate:
            self.due.extend((number, None) for number in range(self.job.requests))
            self.send_due()
        began = time.perf_counter()
        for number in range(self.job.requests if self.job.rate else 0):
            moment = began + number / self.job.rate
            await asyncio.sleep(max(0.0, moment - time.perf_counter()))
            self.due.append((number, moment))
            self.send_due()
        await self.done

    def send_due(self) -> None:
        while self.due and self.idle:
            self.idle.popleft().send(*self.due.popleft())

    def answered(self, seconds: float) -> None:
        self.latencies.append(seconds)
        self._end_if_last()

    def fail(self, why: str) -> None:
        self.failures += 1
        if not self.job.counts_failures:
            self.end(why)
        self._end_if_last()

    def end(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))

    def _end_if_last(self) -> None:
        if len(self.latencies) + self.failures == self.job.requests and not self.done.done():
            self.done.set_result(None)


class Client(asyncio.Protocol):
    """One kept connection: busy from a request until its answer is in."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = b""
        self.number: int | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.run.idle.append(self)

    def send(self, number: int, due: float | None) -> None:
        self.number = number
        self.began = due or time.perf_counter()
        self.transport.write(self.run.messages[number])

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        _, has_length, value = head.lower().partition(b"\r\ncontent-length:")
        if not has_length:
            self.transport.abort()
        elif len(body) >= int(value.partition(b"\r\n")[0]):
            self.buffer = b""
            self.check(head, body)

    def check(self, head: bytes, body: bytes) -> None:
        seconds = time.perf_counter() - self.began
        number = self.number
        self.number = None
        self.run.idle.append(self)
        if self.run.kind.matches(head, body, number):
            self.run.answered(seconds)
        else:
            self.run.fail(f"a wrong answer: {head[:200]!r} {body[:500]!r}")
        self.run.send_due()

    def connection_lost(self, error: Exception | None) -> None:
        why = f"a connection was closed: {error or self.buffer[:500]!r}"
        if self.number is not None:
            self.run.fail(why)
        elif self.run.job.counts_failures:
            self.run.idle.remove(self)
        else:
            self.run.end(why)


async def put_under_load(job: Job) -> Outcome:
    """Do a job.

    :raises RuntimeError: an answer was not what it should be.
    """
    run = Run(job)
    loop = asyncio.get_running_loop()
    for _ in range(job.connections):
        await loop.create_connection(lambda: Client(run), "127.0.0.1", job.port)
    began = time.perf_counter()
    await run.send_all()
    seconds = time.perf_counter() - began
    latencies = run.latencies if len(run.latencies) > 1 else [0.0, 0.0]
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return Outcome(job.requests / seconds, cuts[49] * 1000, cuts[98] * 1000, run.failures)


def new_loop(job: Job) -> Callable[[], asyncio.AbstractEventLoop]:
    """epoll's waits are rounded up to whole milliseconds; select's are not."""
    if job.rate and job.connections <= MAX_SELECT_CONNECTIONS:
        return lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    return asyncio.new_event_loop


def main() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    job = Job(**json.load(sys.stdin))
    with asyncio.Runner(loop_factory=new_loop(job)) as runner:
        print(json.dumps(asdict(runner.run(put_under_load(job)))))


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, ValueError) as failure:
        sys.exit(str(failure))
