"""Connections: kept and used again, but never at the price of a wrong answer or a request sent twice."""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import termios
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    BadResponse,
    ConnectionLost,
    ConnectTimeout,
    DeadlineExceeded,
    GatewayError,
    ReadTimeout,
)
from gateway.http.client import DEFAULT_POOL_SIZE
from gateway.http.connect.resolver import Resolver, system_addresses
from gateway.streams import PassthroughRequest
from sandbox import Sandbox
from tests.gateway.fakes import FakeClock, Gate, Wire, answer, comes_true, make_call, service
from tests.ports import free_port

Open = Callable[..., Gate]
OnWire = Callable[..., tuple[Wire, Gate]]
HEALTH = {"status": "ok"}
NAME = {"params": {"name": {"type": "string"}}}
WHOLE_AND_STREAMED = {
    "m": {"http": "GET /v1/health"},
    "streamed": {"http": "GET /v1/health", "stream": True},
}


def leave_idle(at: Gate, box: Sandbox, count: int) -> None:
    """Leave so many connections of ``WHOLE_AND_STREAMED``: all answers begin before one is read."""
    streams = [at.ask("streamed", inbound=PassthroughRequest()) for _ in range(count)]
    assert [json.loads(b"".join(stream)) for stream in streams] == [HEALTH] * count
    assert box.connections == count


def deliver(sock: socket.socket, data: bytes) -> None:
    """Return when the other side has it, which on a busy machine is not at once."""
    sock.sendall(data)
    left = bytearray(4)

    def has_arrived() -> bool:
        fcntl.ioctl(sock, termios.TIOCOUTQ, left)
        return struct.unpack("i", left) == (0,)

    assert comes_true(has_arrived)


def test_calls_one_after_the_other_share_a_connection(gate: Open, box: Sandbox) -> None:
    at = gate("GET /v1/health")
    assert [at.ask() for _ in range(5)] == [HEALTH] * 5
    assert box.connections == 1


@pytest.mark.parametrize(
    "fault", ["chunked", "gzip", "status=404", "status=500", "1xx", "bad-json", "empty"]
)
def test_an_answer_read_to_its_end_keeps_the_connection(
    gate: Open, box: Sandbox, fault: str
) -> None:
    at = gate("GET /v1/health")
    box.fault("/v1/health", fault, times=1)
    with suppress(GatewayError):  # whether it fails is not the question here
        at.ask()
    assert at.ask() == HEALTH
    assert box.connections == 1


@pytest.mark.parametrize("fault", ["http10", "stale", "long"])
def test_a_connection_that_cannot_be_trusted_is_not_used_again(
    gate: Open, box: Sandbox, fault: str
) -> None:
    at = gate(
        "GET /v1/health", retry={"times": 1, "backoff": 0.001}
    )  # the news of "stale" may come too late
    box.fault("/v1/health", fault, times=1)
    assert [at.ask(), at.ask()] == [HEALTH, HEALTH]
    assert box.connections == 2


def test_a_connection_the_service_wants_closed_is_closed(wire: OnWire) -> None:
    server, at = wire(answer(b"1", "200 OK", "Connection: close"), answer(b"2"))
    assert [at.ask(), at.ask()] == [1, 2]
    assert server.connections == 2


@pytest.mark.parametrize(
    "extra",
    [
        b"x",
        answer(b'{"smuggled":true}'),
        answer(b'{"smuggled":true}')[:20],
        b"\x00\xff",
        b"\r\nHTTP/1.1 2",
    ],
)
def test_bytes_after_an_answer_never_become_the_next_answer(wire: OnWire, extra: bytes) -> None:
    server, at = wire(answer(b'{"n":1}') + extra, answer(b'{"n":2}'))
    assert [at.ask(), at.ask()] == [{"n": 1}, {"n": 2}]
    assert server.connections == 2


def test_bytes_that_come_later_never_become_the_next_answer(wire: OnWire) -> None:
    server, at = wire(answer(b'{"n":1}'), answer(b'{"n":2}'))
    assert at.ask() == {"n": 1}
    deliver(server.open[0], answer(b'{"smuggled":true}'))
    assert at.ask() == {"n": 2}
    assert server.connections == 2


def test_a_body_after_a_head_answer_never_becomes_the_next_answer(wire: OnWire) -> None:
    _, at = wire(answer(b'{"n":1}'), answer(b'{"n":2}'), http="HEAD /")
    assert [at.ask(), at.ask()] == [None, None]


def test_a_connection_that_went_stale_in_the_pool_does_not_fail_even_a_post(
    gate: Open, box: Sandbox
) -> None:
    at = gate("POST /items", **NAME)
    assert at.ask("m", {"name": "a"})["id"] == 1
    box.stop()
    box.start()
    assert at.ask("m", {"name": "b"})["id"] == 2
    assert len(at.trace.attempts) == 1


def test_several_stale_connections_do_not_fail_a_call(open_gate: Open, box: Sandbox) -> None:
    at = open_gate({"s": service(box.url, methods=WHOLE_AND_STREAMED)})
    leave_idle(at, box, 5)
    box.stop()
    box.start()
    assert at.ask() == HEALTH


def test_a_connection_idle_for_too_long_is_not_trusted(gate: Open, box: Sandbox) -> None:
    clock = FakeClock()
    at = gate("GET /v1/health", clock=clock)
    at.ask()
    clock.advance(49)
    at.ask()
    assert box.connections == 1
    clock.advance(51)
    at.ask()
    assert box.connections == 2


def test_a_connection_under_steady_traffic_follows_a_change_of_dns_in_two_minutes(
    open_gate: Open,
) -> None:
    clock = FakeClock()
    blue = [answer(b'"blue"')] * 20
    green = [answer(b'"green"')] * 20
    hosts = ["127.0.0.1"]
    names = Resolver(clock, lambda _: system_addresses(hosts[0]))
    with Wire(blue) as old, Wire(green, at=("127.0.0.2", old.port)):
        url = f"http://moves.example:{old.port}"
        at = open_gate(
            {"s": service(url, methods={"m": {"http": "POST /"}})}, clock=clock, resolver=names
        )
        assert at.ask() == "blue"
        hosts[:] = ["127.0.0.2"]
        answers = []
        for _ in range(7):
            clock.advance(20)
            answers.append(at.ask())
        assert answers == ["blue"] * 5 + ["green"] * 2
        assert old.connections == 1


@pytest.mark.parametrize(
    ("hint", "idle", "connections"),
    [
        ("timeout=5", 3.4, 1), ("timeout=5", 3.6, 2), ("timeout=5", 4.8, 2), ("timeout=5, max=100", 4.95, 2),
        ("TIMEOUT = 5;max=9", 4.8, 2), ("timeout=1", 0.4, 1), ("timeout=1", 0.6, 2), ("timeout=0", 0, 2),
        ("timeout=600", 49, 1), ("timeout=600", 51, 2), ("max=1", 0, 2), ("max=0", 0, 2), ("max=2", 0, 1),
        ("nonsense", 49, 1), ("", 49, 1),
    ],
)  # fmt: skip
def test_a_post_is_not_sent_on_a_connection_that_the_service_is_about_to_close(
    open_gate: Open, hint: str, idle: float, connections: int
) -> None:
    clock = FakeClock()
    with Wire([answer(b"1", "200 OK", f"Keep-Alive: {hint}"), answer(b"2")]) as server:
        at = open_gate({"s": service(server.url, methods={"m": {"http": "POST /"}})}, clock=clock)
        assert at.ask() == 1
        clock.advance(idle)
        assert at.ask() == 2
        assert server.connections == connections


def test_a_connection_serves_as_many_requests_as_the_service_takes_on_one(open_gate: Open) -> None:
    counting_down = [
        answer(b"1", "200 OK", f"Keep-Alive: timeout=5, max={3 - n % 3}") for n in range(9)
    ]
    always_the_same = [answer(b"1", "200 OK", "Keep-Alive: max=3") for _ in range(9)]
    for answers in (counting_down, always_the_same):
        with Wire(answers) as server:
            services = {"s": service(server.url, methods={"m": {"http": "POST /"}})}
            at = open_gate(services, clock=FakeClock())
            assert [at.ask() for _ in range(9)] == [1] * 9
            assert server.connections == 3


def test_a_streamed_answers_keep_alive_is_obeyed_too(open_gate: Open) -> None:
    clock = FakeClock()
    with Wire([answer(b"1", "200 OK", "Keep-Alive: timeout=5"), answer(b"2")]) as server:
        at = open_gate(
            {"s": service(server.url, methods={"m": {"http": "GET /", "stream": True}})},
            clock=clock,
        )
        assert b"".join(at.ask(inbound=PassthroughRequest())) == b"1"
        clock.advance(4.8)
        assert b"".join(at.ask(inbound=PassthroughRequest())) == b"2"
        assert server.connections == 2


def test_connections_left_idle_are_closed_while_another_one_is_in_use(
    open_gate: Open, box: Sandbox
) -> None:
    clock = FakeClock()
    at = open_gate({"s": service(box.url, methods=WHOLE_AND_STREAMED)}, clock=clock)
    leave_idle(at, box, 4)
    for _ in range(7):
        clock.advance(12)
        at.ask()
    assert comes_true(lambda: len(box._server._live) == 1)


def test_post_is_not_sent_again_when_the_pooled_connection_breaks_under_it(
    gate: Open, box: Sandbox
) -> None:
    at = gate("POST /items", retry={"times": 2, "backoff": 0.001}, **NAME)
    box.fault("/items", "reset-next", times=1)
    at.ask("m", {"name": "a"})
    with pytest.raises(ConnectionLost):
        at.ask("m", {"name": "b"})
    assert len(at.trace.attempts) == 1


def test_get_is_sent_again_when_the_pooled_connection_breaks_under_it(
    gate: Open, box: Sandbox
) -> None:
    at = gate("GET /v1/health", retry={"times": 2, "backoff": 0.001})
    box.fault("/v1/health", "reset-next", times=1)
    assert [at.ask(), at.ask()] == [HEALTH, HEALTH]
    assert len(at.trace.attempts) == 2


def test_a_connection_is_closed_when_its_call_fails_halfway(gate: Open, box: Sandbox) -> None:
    at = gate("GET /v1/health")
    box.fault("/v1/health", "drip=0.5", times=1)
    with pytest.raises(DeadlineExceeded):
        at.ask(timeout=2)
    assert at.ask() == HEALTH
    assert box.connections == 2


def test_the_read_timeout_holds_on_a_kept_connection_too(open_gate: Open, box: Sandbox) -> None:
    methods = {
        "m": {"http": "GET /v1/health"},
        "hasty": {"http": "GET /v1/health", "timeout": {"read": 0.5}},
    }
    at = open_gate({"s": service(box.url, methods=methods)})
    at.ask()
    box.fault("/v1/health", "hang")
    with pytest.raises(ReadTimeout):
        at.ask("hasty")
    assert box.connections == 1


def test_no_cookie_is_carried_from_one_call_to_the_next(gate: Open, box: Sandbox) -> None:
    at = gate("GET /cookies")
    assert [at.ask(), at.ask()] == [{"cookie": None}, {"cookie": None}]


def test_a_redirect_is_not_followed(gate: Open, box: Sandbox) -> None:
    at = gate("GET /redirect", params={"to": {"type": "string"}})
    with pytest.raises(BadResponse):
        at.ask("m", {"to": f"{box.url}/v1/health"})
    assert [request.path for request in box.requests] == ["/redirect"]


def test_proxy_variables_and_netrc_are_ignored(
    gate: Open, box: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    headers = gate().ask()["headers"]
    assert "authorization" not in headers
    assert headers["host"] == box.url.removeprefix("http://")


def test_fifty_threads_each_get_their_own_answer(gate: Open, box: Sandbox) -> None:
    at = gate("POST /anything", params={"n": {"type": "integer"}}, timeout={"read": 20})
    start = threading.Barrier(50)

    def ask(n: int) -> Any:
        start.wait(30)
        return [
            at.gateway.call(make_call(params={"n": n * 10 + k})).data["json"]["n"] for k in range(4)
        ]

    with ThreadPoolExecutor(50) as pool:
        outcomes = list(pool.map(ask, range(50)))
    assert outcomes == [[n * 10 + k for k in range(4)] for n in range(50)]
    assert box.connections <= 50


def test_no_more_idle_connections_are_kept_than_the_pool_holds(
    open_gate: Open, box: Sandbox
) -> None:
    at = open_gate({"s": service(box.url, methods=WHOLE_AND_STREAMED)})
    leave_idle(at, box, DEFAULT_POOL_SIZE + 5)
    assert comes_true(lambda: len(box._server._live) == DEFAULT_POOL_SIZE)


def test_base_urls_take_turns(open_gate: Open) -> None:
    with Sandbox(port=free_port()) as one, Sandbox(port=free_port()) as other:
        at = open_gate(
            {"s": service([one.url, other.url], methods={"m": {"http": "GET /v1/health"}})}
        )  # type: ignore[arg-type]
        for _ in range(4):
            at.ask()
        assert (len(one.requests), len(other.requests)) == (2, 2)
        assert (one.connections, other.connections) == (1, 1)


def test_a_request_larger_than_the_sockets_buffers_arrives_whole(gate: Open, box: Sandbox) -> None:
    at = gate("POST /anything", params={"t": {"type": "string"}}, timeout={"read": 20})
    text = "中" * 1_500_000
    assert at.ask("m", {"t": text})["json"] == {"t": text}


def test_a_service_that_reads_too_slowly_ends_at_the_read_timeout(open_gate: Open) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        method = {"http": "POST /", "params": {"t": {"type": "string"}}, "timeout": {"read": 0.1}}
        at = open_gate({"s": service(url, methods={"m": method})})
        with pytest.raises(ReadTimeout):
            at.ask("m", {"t": "x" * 8_000_000})


def test_a_service_that_does_not_accept_is_a_connect_timeout_and_counts_as_not_sent(
    open_gate: Open,
) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", free_port()), backlog=0))
        for _ in range(3):  # fill the queue of those who wait to be accepted
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        method = {
            "http": "POST /",
            "timeout": {"connect": 0.05},
            "retry": {"times": 1, "backoff": 0.001},
        }
        at = open_gate({"s": service(url, methods={"m": method})})
        with pytest.raises(ConnectTimeout) as caught:
            at.ask()
    assert caught.value.code == -1001
    assert len(at.trace.attempts) == 2
