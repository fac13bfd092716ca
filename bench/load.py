"""The load: ``python -m bench.load`` takes a job as JSON on stdin, prints the outcome."""

import asyncio
import json
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from secrets import token_hex

from bench.request_kinds import REQUEST_KINDS


@dataclass(frozen=True)
class Job:
    kind: str
    port: int
    token: str
    calls: int
    concurrency: int


@dataclass(frozen=True)
class Outcome:
    """``rate`` in calls per second, the rest in milliseconds."""

    rate: float
    p50: float
    p99: float


class Run:
    """What the connections share. ``done`` ends with the last answer or the first wrong one."""

    def __init__(self, job: Job) -> None:
        self.kind = REQUEST_KINDS[job.kind]
        mark = token_hex(4)
        self.requests = [self.kind.request(number, mark, job.token) for number in range(job.calls)]
        self.sent = 0
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def next_number(self) -> int | None:
        if self.sent == len(self.requests):
            return None
        self.sent += 1
        return self.sent - 1

    def answered(self, seconds: float) -> None:
        self.latencies.append(seconds)
        if len(self.latencies) == len(self.requests) and not self.done.done():
            self.done.set_result(None)

    def fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(why))


class Client(asyncio.Protocol):
    """One kept connection: asks again as soon as the answer is in and right."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.send_next()

    def send_next(self) -> None:
        number = self.run.next_number()
        if number is not None:
            self.number = number
            self.began = time.perf_counter()
            self.transport.write(self.run.requests[number])

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, end, body = self.buffer.partition(b"\r\n\r\n")
        if not end:
            return
        _, has_length, value = head.lower().partition(b"\r\ncontent-length:")
        if not has_length:
            self.run.fail(f"an answer without Content-Length: {head[:500]!r}")
        elif len(body) >= int(value.partition(b"\r\n")[0]):
            self.buffer = b""
            self.check(head, body)

    def check(self, head: bytes, body: bytes) -> None:
        seconds = time.perf_counter() - self.began
        if not self.run.kind.matches(head, body, self.number):
            self.run.fail(f"a wrong answer: {head[:200]!r} {body[:500]!r}")
            return
        self.run.answered(seconds)
        self.send_next()

    def connection_lost(self, error: Exception | None) -> None:
        self.run.fail(f"the connection was closed: {error or 'no reason given'}")


async def put_under_load(job: Job) -> Outcome:
    """Send ``job.calls`` calls over ``job.concurrency`` connections.

    :raises RuntimeError: an answer was not what it should be.
    """
    run = Run(job)
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    for _ in range(job.concurrency):
        await loop.create_connection(lambda: Client(run), "127.0.0.1", job.port)
    await run.done
    seconds = time.perf_counter() - began
    cuts = statistics.quantiles(run.latencies, n=100, method="inclusive")
    return Outcome(job.calls / seconds, cuts[49] * 1000, cuts[98] * 1000)


if __name__ == "__main__":
    try:
        print(json.dumps(asdict(asyncio.run(put_under_load(Job(**json.load(sys.stdin)))))))
    except (RuntimeError, OSError, ValueError) as failure:
        sys.exit(str(failure))
