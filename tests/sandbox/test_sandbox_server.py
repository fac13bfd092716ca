import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from sandbox import Request, Sandbox
from sandbox.ledger import Ledger
from tests.sandbox.conftest import SECONDS

Call = Callable[..., Any]
Raw = Callable[..., bytes]
Eventually = Callable[[Callable[[], bool]], bool]


def test_requests_share_a_connection_and_are_recorded(box: Sandbox, call: Call) -> None:
    call("/anything?a=1")
    call("/items", "POST", {"name": "pen"}, X_Mine="yes")
    first, second = box.requests
    assert (first.verb, first.path, first.query) == ("GET", "/anything", {"a": ["1"]})
    assert (second.headers["x-mine"], json.loads(second.body)) == ("yes", {"name": "pen"})
    assert box.connections == 1


def test_a_head_answer_has_the_length_and_no_body(call: Call) -> None:
    answer = call("/bytes/10", "HEAD")
    assert (answer.headers["Content-Length"], answer.body) == ("10", b"")
    assert call("/v1/health").status == 200


def test_a_chunked_body_is_read_whole_and_the_connection_goes_on(raw: Raw) -> None:
    head = b"POST /anything HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    then = b"GET /v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = raw(head + b'3;x=y\r\n{"a\r\n4\r\n":1}\r\n0\r\nTrailer: t\r\n\r\n' + then)
    assert b'"json": {"a": 1}' in answer
    assert answer.endswith(b'{"status": "ok"}')


def test_a_client_that_expects_100_continue_is_told_to_go_on(box: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", box.port), SECONDS) as sock:
        head = (
            b"POST /anything HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n"
        )
        sock.sendall(head + b"Connection: close\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"{}")
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET nowhere HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 67108865\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nLong: " + b"x" * 70_000, 431),
    ],
)
def test_a_bad_request_is_refused_and_the_connection_closed(
    box: Sandbox, request_bytes: bytes, status: int
) -> None:
    with socket.create_connection(("127.0.0.1", box.port), SECONDS) as sock:
        sock.sendall(request_bytes)
        sock.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Connection: close" in answer
    assert box.requests == []


def test_an_http_1_0_client_is_served_and_the_connection_closed(raw: Raw) -> None:
    assert raw(b"GET /v1/health HTTP/1.0\r\n\r\n").endswith(b'{"status": "ok"}')


def test_stop_ends_idle_hanging_and_dripping_connections_at_once(
    box: Sandbox, eventually: Eventually
) -> None:
    idle = socket.create_connection(("127.0.0.1", box.port), SECONDS)
    others = [socket.create_connection(("127.0.0.1", box.port), SECONDS) for _ in range(3)]
    for sock, fault in zip(others, ("hang", "delay=60", "drip=60"), strict=True):
        sock.sendall(f"GET /fault/{fault}/anything HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert eventually(lambda: len(box.requests) == 3 and box.connections == 4)
    begun = time.monotonic()
    box.stop()
    assert time.monotonic() - begun < 30
    for sock in (idle, *others):
        while sock.recv(65536):
            pass
        sock.close()


def test_it_starts_again_on_the_same_port_after_a_stop(box: Sandbox, call: Call) -> None:
    url = box.url
    assert call("/v1/health").status == 200
    box.stop()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", box.port), SECONDS)
    box.start()
    assert box.url == url
    with socket.create_connection(("127.0.0.1", box.port), SECONDS):
        pass


def test_a_hang_lets_go_when_the_client_leaves(box: Sandbox, eventually: Eventually) -> None:
    def serving() -> int:
        return sum(thread.name == f"sandbox-{box.port}" for thread in threading.enumerate())

    with socket.create_connection(("127.0.0.1", box.port), SECONDS) as sock:
        sock.sendall(b"GET /fault/hang/anything HTTP/1.1\r\nHost: x\r\n\r\n")
        assert eventually(lambda: len(box.requests) == 1)
        assert serving() == 1
    assert eventually(lambda: serving() == 0)


def test_three_hundred_connections_at_once_are_all_served(box: Sandbox) -> None:
    clients = [http.client.HTTPConnection("127.0.0.1", box.port, timeout=30) for _ in range(300)]
    for client in clients:
        client.request("GET", "/v1/health")
    assert {client.getresponse().status for client in clients} == {200}
    assert box.connections == 300
    for client in clients:
        client.close()


def test_it_tells_the_most_requests_there_were_at_once(
    box: Sandbox, call: Call, eventually: Eventually
) -> None:
    for _ in range(2):
        call("/items")
    assert box.most_at_once == 1
    box.fault("/items", "delay=60")
    clients = [socket.create_connection(("127.0.0.1", box.port), SECONDS) for _ in range(5)]
    for client in clients:
        client.sendall(b"GET /items HTTP/1.1\r\nHost: x\r\n\r\n")
    assert eventually(lambda: box.most_at_once == 5)
    for client in clients:
        client.close()
    assert eventually(lambda: box.open_connections == 1)
    box.reset()
    assert box.most_at_once == 0


def test_a_request_that_was_seen_meets_the_fault_that_was_set_before(
    box: Sandbox, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Ledger._add

    def add_and_set_the_next(ledger: Ledger, request: Request) -> None:
        add(ledger, request)
        box.fault("/items", "status=500")

    monkeypatch.setattr(Ledger, "_add", add_and_set_the_next)
    box.fault("/items", "status=503")
    assert [call("/items").status, call("/items").status] == [503, 500]


def test_reset_forgets_requests_counts_faults_and_items(box: Sandbox, call: Call) -> None:
    box.fault("/items", "status=500")
    assert call("/items", "POST", {"name": "pen"}).status == 500
    box.reset()
    assert (box.requests, box.connections, box.tokens_issued) == ([], 0, 0)
    assert call("/items").json == {"items": [], "total": 0}


def test_another_process_controls_it_over_http(box: Sandbox, call: Call) -> None:
    wish = {"path": "/items", "fault": "status=503", "times": 1}
    assert call("/_sandbox/fault", "POST", wish).status == 200
    assert [call("/items").status, call("/items").status] == [503, 200]
    assert call("/_sandbox/stats").json == {
        "requests": 2,
        "connections": 1,
        "tokens_issued": 0,
        "most_at_once": 1,
    }
    recorded = call("/_sandbox/requests").json["requests"]
    assert [(request["verb"], request["path"]) for request in recorded] == [("GET", "/items")] * 2
    assert call("/_sandbox/revoke_tokens", "POST").status == 200
    assert call("/_sandbox/reset", "POST").status == 200
    assert box.requests == []


@pytest.mark.parametrize(
    "wish",
    [
        b"x",
        [],
        {"path": "/x"},
        {"path": 1, "fault": "hang"},
        {"path": "x", "fault": "hang"},
        {"path": "/x", "fault": "nonsense"},
        {"path": "/x", "fault": "hang", "times": 0},
        {"path": "/x", "fault": "hang", "times": True},
    ],
)
def test_a_senseless_fault_sent_to_control_gets_422(call: Call, wish: Any) -> None:
    assert call("/_sandbox/fault", "POST", wish).status == 422


def test_control_answers_404_and_405_where_it_should(call: Call) -> None:
    assert call("/_sandbox/other").status == 404
    assert call("/_sandbox/reset").status == 405
    assert call("/_sandbox/stats", "POST").status == 405
