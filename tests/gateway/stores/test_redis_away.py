"""Redis killed, hung, slow, full: nobody waits for it, nobody sees its errors, and it is found
again.
"""

from __future__ import annotations

import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from cryptography import x509

from gateway.errors import StoreUnavailable
from gateway.stores.redis import RedisStore
from tests.gateway.fakes import Lines, comes_true
from tests.gateway.http.connect.test_gateway_tls import make_pem
from tests.ports import free_port
from tests.redis_server import RedisServer, have_no_patience

MAX_WAIT_SECONDS = 0.3  # seconds that a request may wait for Redis
NOISE = 10.0  # seconds that this machine may take for itself, whatever it is busy with


@pytest.fixture
def log() -> Lines:
    return Lines()


@pytest.fixture
def open_store(log: Lines) -> Iterator[Callable[[str], RedisStore]]:
    with ExitStack() as stack:

        def make(url: str) -> RedisStore:
            store = RedisStore(url, log.warning)
            stack.callback(store.close)
            store.link.begin_request()
            return store

        yield make


@pytest.fixture
def store(open_store: Callable[[str], RedisStore], redis_url: str) -> RedisStore:
    store = open_store(redis_url)
    store.set("k", b"v", 100)
    return store


class Between:
    """Passes bytes to a server and, ``delay`` seconds later, its answers back; with ``tls`` it
    speaks that.
    """

    def __init__(self, port: int, delay: float = 0, pem: Path | None = None) -> None:
        self._port = port
        self._delay = delay
        self._tls = None
        if pem:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(pem)

    def __enter__(self) -> Between:
        self._listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(30)  # or it accepts at whatever gets the descriptor next
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(
                    target=self._serve, args=(self._listener.accept()[0],), daemon=True
                ).start()

    def _serve(self, near: socket.socket) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port)) as far:
            near = self._tls.wrap_socket(near, server_side=True) if self._tls else near
            with near:
                while data := near.recv(65536):
                    far.sendall(data)
                    answered = far.recv(65536)
                    threading.Event().wait(self._delay)
                    near.sendall(answered)


def names(log: Lines) -> list[str]:
    return [event["event"] for event in log.events]


def comes_back(store: RedisStore, value: bytes) -> bool:
    with suppress(StoreUnavailable):
        store.set("k", value, 100)
        return store.get("k") == value
    return False


def refused(store: RedisStore) -> float:
    """Seconds until ``StoreUnavailable`` was raised."""
    began = time.monotonic()
    with pytest.raises(StoreUnavailable) as caught:
        store.get("k")
    assert caught.value.retry_after == 1
    return time.monotonic() - began


def test_a_killed_redis_is_away_at_once_and_found_again_by_itself(
    store: RedisStore, redis_server: RedisServer, log: Lines
) -> None:
    redis_server.kill()
    assert refused(store) < MAX_WAIT_SECONDS + NOISE
    assert not store.up
    assert sum(refused(store) for _ in range(100)) < NOISE

    redis_server.start()
    assert comes_true(lambda: store.up)
    assert store.get("k") is None, "it came back empty"
    store.set("k", b"new", 100)
    assert store.get("k") == b"new"
    assert comes_true(lambda: names(log) == ["store_away", "store_back"])


def test_a_hung_redis_is_waited_for_once_and_found_again_by_itself(
    store: RedisStore, redis_server: RedisServer
) -> None:
    redis_server.pause()
    assert refused(store) < MAX_WAIT_SECONDS + NOISE
    assert sum(refused(store) for _ in range(100)) < NOISE

    redis_server.resume()
    assert comes_true(lambda: store.up)
    assert store.get("k") == b"v"


def test_of_many_callers_at_once_none_waits_longer_for_a_hung_redis(
    store: RedisStore, redis_server: RedisServer
) -> None:
    redis_server.pause()

    def request(_: int) -> float:
        store.link.begin_request()
        return sum(refused(store) for _ in range(8))

    with ThreadPoolExecutor(16) as pool:
        waited = list(pool.map(request, range(32)))
    assert max(waited) < MAX_WAIT_SECONDS + NOISE


@pytest.mark.server
def test_a_hung_redis_with_a_password_is_bounded_too_and_the_password_is_not_told(
    open_store: Callable[[str], RedisStore], redis_patience: None, tmp_path: Path, log: Lines
) -> None:
    server = RedisServer(tmp_path, password="pass/word%+").start()
    try:
        store = open_store(f"{server.url}/3")
        store.set("k", b"v", 100)
        wrong = open_store(server.url.replace("word", "ward"))
        assert refused(wrong) < MAX_WAIT_SECONDS + NOISE
        wrong.close()
        server.pause()
        fresh = open_store(server.url)
        assert refused(fresh) < MAX_WAIT_SECONDS + NOISE
        assert refused(store) < MAX_WAIT_SECONDS + NOISE
    finally:
        server.stop()
    assert len(log.events) >= 3
    assert "ward" not in json.dumps(log.events)
    assert "word" not in json.dumps(log.events).replace("username-password", "")


def test_connecting_that_hangs_is_bounded(open_store: Callable[[str], RedisStore]) -> None:
    with ExitStack() as stack:
        full = stack.enter_context(socket.create_server(("127.0.0.1", free_port()), backlog=0))
        for _ in range(4):  # as many as it takes for the next one to get no answer
            waiting = stack.enter_context(closing(socket.socket()))
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        store = open_store(f"redis://127.0.0.1:{full.getsockname()[1]}")
        assert refused(store) < MAX_WAIT_SECONDS + NOISE
        assert sum(refused(store) for _ in range(100)) < NOISE


def test_a_name_that_is_looked_up_for_long_is_bounded(
    open_store: Callable[[str], RedisStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answered.wait(60) and [])
    store = open_store("redis://redis.example:6379")
    assert refused(store) < MAX_WAIT_SECONDS + NOISE
    store.close()
    answered.set()


def test_the_many_operations_of_one_request_together_wait_no_longer(
    open_store: Callable[[str], RedisStore], redis_server: RedisServer
) -> None:
    have_no_patience()
    with Between(redis_server.port, delay=0.15) as slow:
        store = open_store(f"redis://127.0.0.1:{slow.port}")
        began = time.monotonic()
        for _ in range(200):
            with suppress(StoreUnavailable):
                store.get("k")
        assert time.monotonic() - began < MAX_WAIT_SECONDS + NOISE  # all of them would take 30
        assert not store.up, "one as slow as that is as good as away"


def test_a_redis_that_refuses_to_write_is_away_until_it_takes_writes_again(
    store: RedisStore, redis_server: RedisServer, log: Lines
) -> None:
    redis_server.client.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailable):
        store.set("k", b"v" * 100, 100)
    refused(store)
    redis_server.client.config_set("maxmemory", 0)
    assert comes_true(lambda: store.up)
    assert comes_true(lambda: names(log) == ["store_away", "store_back"])


def test_what_must_be_done_first_is_done_before_anybody_else_asks(
    store: RedisStore, redis_server: RedisServer
) -> None:
    tries: list[bool] = []

    def first() -> None:
        tries.append(store.up)
        if len(tries) < 3:
            raise (StoreUnavailable, ValueError)[len(tries) - 1]
        store.set("k", b"first", 100)

    store.link.on_return(first)
    redis_server.kill()
    refused(store)
    redis_server.start()
    assert comes_true(lambda: store.up)
    assert comes_true(
        lambda: tries == [False, False, False, True]
    )  # the last for what came in between
    assert store.get("k") == b"first"


def test_what_was_held_when_redis_went_and_given_back_meanwhile_is_free_once_it_is_back(
    store: RedisStore, redis_server: RedisServer
) -> None:
    lease = store.acquire_slot("s", 1, 1000) or ""
    fence = store.acquire("l", 1000) or 0
    redis_server.client.config_set("maxmemory", 1)
    with pytest.raises(StoreUnavailable):
        store.set("k", b"v" * 100, 100)
    store.release_slot("s", lease)
    store.release("l", fence)
    redis_server.client.config_set("maxmemory", 0)
    assert comes_true(lambda: store.up)
    assert store.acquire_slot("s", 1, 1000)
    assert store.acquire("l", 1000)


def test_a_place_that_a_hung_redis_gave_to_nobody_is_free_once_it_is_back(
    store: RedisStore, redis_server: RedisServer
) -> None:
    assert store.acquire_slot("another", 1, 1000), "Redis knows the script from now on"
    redis_server.pause()
    with pytest.raises(StoreUnavailable):
        store.acquire_slot("s", 1, 1000)
    redis_server.resume()
    assert comes_true(lambda: store.up)
    assert store.acquire_slot("s", 1, 1000)


def test_a_fence_is_higher_even_after_redis_was_restarted_empty(
    store: RedisStore, redis_server: RedisServer
) -> None:
    before = store.acquire("l", 10) or 0
    redis_server.kill()
    refused(store)
    redis_server.start()
    assert comes_true(lambda: store.up)
    assert (store.acquire("l", 10) or 0) > before


def test_connections_that_redis_closed_while_idle_are_no_failure(
    store: RedisStore, redis_server: RedisServer, log: Lines
) -> None:
    redis_server.client.client_kill_filter(_type="normal", skipme=True)
    assert store.get("k") == b"v"
    assert log.events == []


def test_tls_and_unix_sockets_work(
    open_store: Callable[[str], RedisStore], redis_server: RedisServer, tmp_path: Path
):
    pem = make_pem(tmp_path / "redis.pem", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    with Between(redis_server.port, pem=pem) as between:
        trusting = open_store(f"rediss://127.0.0.1:{between.port}/0?ssl_ca_certs={pem}")
        assert comes_true(lambda: comes_back(trusting, b"tls"))
        refused(open_store(f"rediss://127.0.0.1:{between.port}"))
    assert open_store(redis_server.unix_url).get("k") == b"tls"
    refused(open_store(f"unix://{tmp_path}/nobody.sock"))
