"""Slow clients of five kinds, before Postern itself and before an nginx: others are served, and each of them ends as it should.

``test_slow_callers`` has what becomes of more of them than there is room for.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.front.nginx import Nginx
from tests.e2e.incoming.raw_http import Dialogue
from tests.e2e.incoming.request_shapes import chunked, get
from tests.e2e.live import ROOT, Live, catalog_for, wait_for
from tests.ports import free_port

IMPATIENT = ("-c", str(ROOT / "tests" / "e2e" / "incoming" / "impatient.conf.py"))
#: So that a test can wait for nginx's limits, too.
IMPATIENT_NGINX = {"client_header_timeout 15s;": "client_header_timeout 4s;"}
OF_EACH_KIND = 10
LARGE = 10  # documents of a million characters
PAUSE_SECONDS = 0.1

Steps = Iterator[None]
Client = Callable[[socket.socket, bytes], Steps]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with Sandbox(port=free_port()) as box:
        service = Live(
            tmp_path_factory.mktemp("slow"), catalog_for(box), gunicorn=IMPATIENT, TRUSTED_PROXIES="1"
        )  # fmt: skip
        try:
            service.start()
            for number in range(LARGE):
                service.post("/api/v1/data", json={"key": f"l{number}", "value": "x" * 1_000_000})
            yield service
        finally:
            service.stop()


@pytest.fixture(scope="module")
def nginx(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    if os.environ.get("POSTERN_TEST_NGINX") == "no":
        pytest.skip("POSTERN_TEST_NGINX=no")
    folder = tmp_path_factory.mktemp("nginx")
    front = Nginx(folder, live.port, files=live.env["FILES_DIR"], changes=IMPATIENT_NGINX)
    try:
        yield front.start()
    finally:
        front.stop()


@pytest.fixture(params=["postern", "nginx"])
def port(live: Live, request: pytest.FixtureRequest) -> int:
    port: int = live.port if request.param == "postern" else request.getfixturevalue("nginx").port
    return port


def proof(live: Live) -> bytes:
    return f"Authorization: Bearer {live.token()}".encode()


def slow_head(sock: socket.socket, token: bytes) -> Steps:
    sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\nX: ")
    while True:
        yield
        sock.send(b"x")


def slow_body(sock: socket.socket, token: bytes) -> Steps:
    lines = (b"Content-Type: application/json", b"Content-Length: 8000")
    sock.sendall(get(*lines, verb=b"POST", target=b"/api/v1/login") + b"{")
    while True:
        yield
        sock.send(b" ")


def slow_reader(sock: socket.socket, token: bytes) -> Steps:
    sock.sendall(get(token, target=b"/api/v1/data?limit=3"))
    while True:
        yield
        sock.recv(1000)


def idle(sock: socket.socket, token: bytes) -> Steps:
    sock.sendall(get())
    while True:
        yield


def one_byte_at_a_time(sock: socket.socket, token: bytes) -> Steps:
    while True:
        for byte in get():
            sock.send(bytes([byte]))
            yield


KINDS: list[Client] = [slow_head, slow_body, slow_reader, idle, one_byte_at_a_time]


@contextmanager
def crowd(port: int, token: bytes) -> Iterator[None]:
    """Keep ``OF_EACH_KIND`` clients of all kinds at it; who is cut off comes back."""
    done = threading.Event()

    def run() -> None:
        with ExitStack() as stack:
            clients = [_join(stack, kind, port, token) for kind in KINDS * OF_EACH_KIND]
            while not done.wait(PAUSE_SECONDS):
                for place, client in enumerate(clients):
                    try:
                        next(client)
                    except (TimeoutError, BlockingIOError):
                        pass
                    except (OSError, StopIteration):
                        kind = KINDS[place % len(KINDS)]
                        clients[place] = _join(stack, kind, port, token)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(30)


def _join(stack: ExitStack, kind: Client, port: int, token: bytes) -> Steps:
    sock = stack.enter_context(socket.socket())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.settimeout(5)
    return kind(sock, token)


def test_while_many_are_slow_in_each_way_others_are_served(live: Live, port: int) -> None:
    profile = f"http://127.0.0.1:{port}/api/v1/user/profile"
    headers = {"Authorization": f"Bearer {live.token()}"}
    with crowd(port, proof(live)):
        answers = [requests.get(profile, headers=headers, timeout=30) for _ in range(30)]
    assert {answer.status_code for answer in answers} == {200}
    assert "Traceback" not in live.log


@pytest.mark.parametrize(
    "request_bytes",
    [get(), chunked(b"2;a=b\r\n{}\r\n0\r\nX-A: y\r\n\r\n").replace(b"%TOKEN%\r\n", b"")],
    ids=["a head", "chunks"],
)
def test_a_request_that_comes_byte_by_byte_is_answered_as_any(
    port: int, request_bytes: bytes
) -> None:
    with Dialogue(port) as dialogue:
        for byte in request_bytes:
            dialogue.send(bytes([byte]))
            time.sleep(0.001)
        answer = dialogue.answer()
        assert answer and (answer.status, answer.code or 0) in ((200, 0), (401, -2001)), answer


def test_who_reads_slowly_gets_all_of_it(live: Live, port: int) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.connect(("127.0.0.1", port))
        client.settimeout(30)
        client.sendall(get(proof(live), b"Connection: close", target=b"/api/v1/data?limit=100"))
        size = 0
        while piece := client.recv(100_000):
            size += len(piece)
            time.sleep(0.002)
    assert size > LARGE * 1_000_000


def test_who_sends_a_head_slowly_is_cut_off(nginx: Nginx) -> None:
    """By nginx without a word; what Postern itself says then has ``test_slow_callers``."""
    with socket.create_connection(("127.0.0.1", nginx.port), timeout=30) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nX")
        client.settimeout(0.2)
        assert wait_for(lambda: _is_cut_off(client, b"x"))


def _is_cut_off(client: socket.socket, drip: bytes) -> bool:
    try:
        client.send(drip)
        return client.recv(1000) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_nginx_holds_back_a_slow_body_until_it_is_whole(live: Live, nginx: Nginx) -> None:
    """Though it takes longer than a stranger's body may at Postern itself."""
    body = b'{"username": "ann", "password": "wrong"}'
    lines = (b"Content-Type: application/json", b"Content-Length: %d" % len(body))
    with Dialogue(nginx.port) as dialogue:
        dialogue.send(get(*lines, verb=b"POST", target=b"/api/v1/login"))
        for byte in body:
            time.sleep(0.15)
            dialogue.send(bytes([byte]))
        answer = dialogue.answer()
    assert answer and (answer.status, answer.code) == (401, -2006)


def test_an_idle_connection_is_ended_without_a_word_and_until_then_takes_requests(
    live: Live,
) -> None:
    with Dialogue(live.port) as dialogue:
        assert dialogue.is_kept() and dialogue.is_kept()
        assert dialogue.answer() is None
