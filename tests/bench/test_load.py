"""The load counts a request's time from when it is due, and counts failures only where it is told to."""

from __future__ import annotations

import asyncio
import json

import pytest

from bench.load import Job, Outcome, put_under_load

ANSWER_SECONDS = 0.05
REQUESTS = 40


def load(*, status: int = 200, connections: int = 1, **job: float) -> Outcome:
    """Put a server under load that takes its time and answers as told."""
    body = json.dumps({"code": 0, "data": {}}).encode()
    head = f"HTTP/1.1 {status} Any\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head_lines := await reader.readuntil(b"\r\n\r\n"):
            await reader.readexactly(int(head_lines.partition(b"Content-Length: ")[2]))
            await asyncio.sleep(ANSWER_SECONDS)
            writer.write(head + body)

    async def run() -> Outcome:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            return await put_under_load(Job("call", port, "", REQUESTS, connections, **job))

    return asyncio.run(run())


def test_a_request_that_waits_for_a_connection_is_late() -> None:
    outcome = load(connections=1, rate=1000)

    assert outcome.p99 > 0.8 * REQUESTS * ANSWER_SECONDS * 1000


def test_a_request_that_is_sent_when_a_connection_is_idle_counts_from_then() -> None:
    outcome = load(connections=1)

    assert ANSWER_SECONDS * 1000 <= outcome.p50 < 0.5 * REQUESTS * ANSWER_SECONDS * 1000


def test_a_wrong_answer_ends_the_load_unless_failures_are_counted() -> None:
    with pytest.raises(RuntimeError, match="a wrong answer"):
        load(status=500)

    assert load(status=500, counts_failures=True).failures == REQUESTS
