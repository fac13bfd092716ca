"""A fresh sandbox for each test, and gateways that call it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pytest

from gateway import Gateway
from gateway.clock import SystemClock
from gateway.http.discovered import instances
from gateway.masking import Masker
from gateway.sources import http
from gateway.stores import MemoryStore, Store
from gateway.stores.redis import RedisStore
from sandbox import Reply, Request, Sandbox
from tests.gateway.fakes import (
    WAIT_SECONDS,
    FakeClock,
    Gate,
    Lines,
    Wire,
    make_catalog,
    make_runtime,
    service,
)
from tests.ports import free_port
from tests.redis_server import RedisServer

Open = Callable[..., Gate]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture
def may_answer(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """While it is not set, the sandbox's vendors take requests and do not answer them."""
    allowed = threading.Event()
    allowed.set()
    handle = box._handle

    def hold(request: Request) -> Reply:
        allowed.wait(WAIT_SECONDS)
        return handle(request)

    monkeypatch.setattr(box, "_handle", hold)
    yield allowed
    allowed.set()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def registry_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consul and Nacos may take their time, as they may on a busy machine."""
    monkeypatch.setattr(http, "ANSWER_SECONDS", WAIT_SECONDS)
    monkeypatch.setattr(instances, "FIRST_LIST_SECONDS", WAIT_SECONDS)


@pytest.fixture
def redis_store(redis_server: RedisServer) -> Iterator[RedisStore]:
    store = RedisStore(redis_server.url, Lines().warning)
    yield store
    store.close()


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest, clock: FakeClock) -> Store:
    """Both kinds of store, the second on a real server. Its time is passed by ``pass_time``."""
    store: Store = (
        MemoryStore(clock) if request.param == "memory" else request.getfixturevalue("redis_store")
    )
    return store


@pytest.fixture
def pass_time(
    request: pytest.FixtureRequest, store: Store, clock: FakeClock
) -> Callable[[float], None]:
    """Moves the clock, and what is in the store with it."""

    def move(seconds: float) -> None:
        clock.advance(seconds)
        if isinstance(store, RedisStore):
            request.getfixturevalue("redis_server").pass_time(seconds)

    return move


@pytest.fixture
def open_gate() -> Iterator[Open]:
    """Makes a gateway over ``services``; everything is closed when the test ends."""
    with ExitStack() as stack:

        def make(
            services: Mapping[str, Any], *, env: Mapping[str, str] | None = None, **options: Any
        ) -> Gate:
            log = Lines()
            masker = Masker()
            clock = options.setdefault("clock", SystemClock())
            runtime = make_runtime(log=log, masker=masker, env=env, **options)
            gateway = Gateway(make_catalog(services, env), runtime)
            stack.callback(gateway.close)
            return Gate(gateway, log, masker, clock)

        yield make


@pytest.fixture
def gate(box: Sandbox, open_gate: Open) -> Open:
    """Service ``s`` on the sandbox: ``gate("GET /items", params=...)`` has the one method ``m``."""

    def make(
        http: str = "GET /anything", *, on: Mapping[str, Any] | None = None, **method: Any
    ) -> Gate:
        options = {
            name: method.pop(name) for name in ("clock", "jitter", "env", "store") if name in method
        }
        return open_gate(
            {"s": service(box.url, methods={"m": {"http": http, **method}}, **(on or {}))},
            **options,
        )

    return make


@pytest.fixture
def wire(open_gate: Open) -> Iterator[Callable[..., tuple[Wire, Gate]]]:
    """A server that says exactly these bytes, and a gateway before it."""
    with ExitStack() as stack:

        def make(
            *answers: bytes, then: str = "wait", http: str = "GET /", **method: Any
        ) -> tuple[Wire, Gate]:
            server = stack.enter_context(Wire(list(answers), then))
            return server, open_gate(
                {"s": service(server.url, methods={"m": {"http": http, **method}})}
            )

        yield make
