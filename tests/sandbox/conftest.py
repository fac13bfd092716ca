"""A fresh sandbox for each test, and the means to call it: properly, or byte by byte."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPMessage
from typing import Any

import pytest

from sandbox import Sandbox
from tests.ports import free_port

SECONDS = 30.0


@dataclass
class Answer:
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Call = Callable[..., Answer]
Raw = Callable[..., bytes]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


def exchange(
    client: HTTPConnection, target: str, verb: str = "GET", body: Any = None, **headers: str
) -> Answer:
    """One request on an open client; a body that is not bytes goes as JSON, x_y=... as header x-y."""
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    client.request(
        verb, target, data, {name.replace("_", "-"): value for name, value in headers.items()}
    )
    response = client.getresponse()
    return Answer(response.status, response.headers, response.read())


@pytest.fixture
def client(box: Sandbox) -> Iterator[HTTPConnection]:
    """One keep-alive connection."""
    connection = HTTPConnection("127.0.0.1", box.port, timeout=SECONDS)
    yield connection
    connection.close()


@pytest.fixture
def call(client: HTTPConnection) -> Call:
    return partial(exchange, client)


@pytest.fixture
def serving() -> Iterator[Callable[..., Call]]:
    """Starts a sandbox with constructor arguments of the test's own and gives back its `call`."""
    with ExitStack() as stack:

        def start(**arguments: Any) -> Call:
            other = stack.enter_context(Sandbox(port=free_port(), **arguments))
            connection = HTTPConnection("127.0.0.1", other.port, timeout=SECONDS)
            stack.callback(connection.close)
            return partial(exchange, connection)

        yield start


@pytest.fixture
def raw(box: Sandbox) -> Raw:
    """Sends bytes and gives back all that comes until the server closes."""

    def send(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", box.port), SECONDS) as sock:
            sock.sendall(data)
            return read_to_end(sock)

    return send


@pytest.fixture
def closing(raw: Raw) -> Raw:
    """The raw answer to a GET of `target` that asks the server to close afterwards."""

    def get(target: str, fault: str = "") -> bytes:
        lines = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Sandbox-Fault: {fault}\r\n\r\n"
        return raw(lines.encode())

    return get


def read_to_end(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(65536), b""))


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], bool]:
    return comes_true


def comes_true(condition: Callable[[], bool]) -> bool:
    """Whether it comes true within SECONDS; looks every millisecond."""
    pause = threading.Event()
    return any(condition() or pause.wait(0.001) for _ in range(int(SECONDS * 1000)))
