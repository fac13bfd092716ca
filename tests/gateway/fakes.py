"""Fakes and short cuts: a clock to hold, a log to read, a server that sends exactly these bytes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from gateway import Call, Caller, Gateway
from gateway.bodies import dump_json
from gateway.catalog.loader import load_catalog
from gateway.catalog.model import Catalog
from gateway.clock import Clock, SystemClock
from gateway.discovery import RegistryDirectory
from gateway.http.client import Client
from gateway.http.connect.resolver import Resolver
from gateway.http.outbound import Outbound
from gateway.http_messages import HttpRequest
from gateway.masking import Masker
from gateway.messages import Trace
from gateway.metrics import Metrics
from gateway.runtime import Runtime
from gateway.stores import MemoryStore, Store
from tests.ports import free_port

USER = Caller("user:7")
WAIT_SECONDS = 30.0  # at most, for what a test waits for


class FakeClock:
    """Stands still until somebody sleeps; remembers how long they did."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._now = 1000.0

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return 1_700_000_000.0 + self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now += seconds

    def advance(self, seconds: float) -> None:
        self._now += seconds


class LeapingClock(SystemClock):
    """The system's, ahead by as much as the test wants."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


class Lines:
    """A log that keeps what is written."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def info(self, event: str, **fields: Any) -> None:
        self.events.append({"event": event, **fields})

    debug = warning = error = info

    def rendered(self, masker: Masker) -> bytes:
        """The lines as production writes them."""
        return b"\n".join(masker.mask_line(dump_json(event)) for event in self.events)


def make_catalog(services: Mapping[str, Any], env: Mapping[str, str] | None = None) -> Catalog:
    """Load a catalog of these services; JSON is YAML."""
    return load_catalog(json.dumps({"version": 1, "services": services}), "test.yaml", env or {})


def make_runtime(
    *,
    clock: Clock,
    store: Store | None = None,
    resolver: Resolver | None = None,
    outbound: Outbound | None = None,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> Runtime:
    """Return a gateway's runtime, in memory and with the system's names unless the test says otherwise."""
    options = {"metrics": Metrics(), "log": Lines(), "masker": Masker(), **options}
    if store is None:
        store = MemoryStore(clock)
    runtime = Runtime.create(store, clock=clock, **options)
    client = Client(
        clock,
        resolver or Resolver(clock),
        outbound,
        lambda why: options["log"].warning("tls", why=why),
        RegistryDirectory(env or {}, clock, options["log"], options["masker"]),
    )
    return replace(runtime, client=client)


#: No test waits that long; no process stands still for that long. Who is about a time limit sets one.
PATIENT: Mapping[str, Any] = {
    "timeout": {"connect": 20, "read": 20},
    "deadline": 40,
    "retry": {"times": 0},
}


#: Settings of a service that plays WeChat.
WECHAT: Mapping[str, Any] = {
    "auth": {
        "type": "app_secret",
        "app_id": "sandbox-app",
        "secret": "sandbox-secret",
        "token_url": "/cgi-bin/token",
    },
    "envelope": "wechat",
}


def hasty(fault: str) -> dict[str, Any]:
    """A method's time limit where this fault ends with it; enough for an answer that comes."""
    return {"timeout": {"read": 2}} if fault == "hang" else {}


def service(url: str, **settings: Any) -> dict[str, Any]:
    """A service on this machine with long timeouts and no retry, unless the test says otherwise."""
    return {"base_url": url, "allow_private": True, **PATIENT, **settings}


@dataclass
class Gate:
    """A gateway with all that a test wants to look at."""

    gateway: Gateway
    log: Lines
    masker: Masker
    clock: Any
    trace: Trace = field(default_factory=Trace)

    @property
    def breaker(self) -> str:
        """The state of service ``s``'s."""
        return self.gateway.breakers([self.gateway.catalog.services["s"]])["s"]

    @property
    def waiting(self) -> int:
        """How many calls of this process wait for what another like them gets."""
        flights = list(self.gateway._runtime.single_flight._flights.values())
        return sum(len(flight._condition._waiters) for flight in flights)  # type: ignore[attr-defined]

    def ask(self, method: str = "m", params: Mapping[str, object] | None = None, **how: Any) -> Any:
        """The data of one call of service ``s``, or its error."""
        self.trace = how.setdefault("trace", Trace())
        return self.gateway.call(make_call(method, params, **how)).data

    def dry(
        self, method: str = "m", params: Mapping[str, object] | None = None, **how: Any
    ) -> HttpRequest:
        return self.gateway.dry_run(make_call(method, params, **how))


def make_call(method: str = "m", params: Mapping[str, object] | None = None, **how: Any) -> Call:
    return Call(
        how.pop("service", "s"),
        method,
        params or {},
        caller=how.pop("caller", USER),
        request_id=how.pop("request_id", "r-1"),
        **how,
    )


@dataclass
class Wire:
    """Answers the nth request with the nth bytes, whatever was asked; hangs up where there are none.

    ``heard`` is what came, head and body; ``greeting`` is said unasked; ``then`` is what follows the last answer:
    ``close``, or ``wait`` until the client hangs up.
    """

    answers: list[bytes]
    then: str = "wait"
    greeting: bytes = b""
    at: tuple[str, int] = ("127.0.0.1", 0)
    heard: list[bytes] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> Wire:
        host, port = self.at
        self._listener = socket.create_server((host, port or free_port()))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        self.open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the threads first: one that is about to accept or to read would do so at whatever
        socket gets the descriptor next.
        """
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
            self._acceptor.join(WAIT_SECONDS)
        for sock in self.open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
        for sock in (self._listener, *self.open):
            sock.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.open.append(sock)
                self.connections += 1
                thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
                thread.start()
                self._threads.append(thread)

    def _serve(self, sock: socket.socket) -> None:
        with suppress(OSError), sock:
            sock.sendall(self.greeting)
            while self.answers and self._hear(sock):
                response = self.answers.pop(0)
                if not response:
                    return
                sock.sendall(response)
            if self.then == "wait":
                while sock.recv(65536):
                    pass

    def _hear(self, sock: socket.socket) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            received = sock.recv(65536)
            if not received:
                return False
            data += received
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(x[15:]) for x in head.lower().split(b"\r\n") if x.startswith(b"content-length:")),
            0,
        )
        while len(body) < length:
            received = sock.recv(65536)
            if not received:
                return False
            body += received
        self.heard.append(head + b"\r\n\r\n" + body)
        return True


def answer(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    """One whole HTTP/1.1 answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def comes_true(condition: Any) -> bool:
    """Whether it comes true within WAIT_SECONDS; looks every millisecond."""
    pause = threading.Event()
    return any(condition() or pause.wait(0.001) for _ in range(int(WAIT_SECONDS * 1000)))
