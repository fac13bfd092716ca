"""Two workers, one database, one Redis: what one of them learns all know, and what they do while Redis is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from api.auth import views
from config import Settings
from models import Order, Product, RevokedToken
from tests.api.conftest import PASSWORD
from tests.api.resources.test_apps import signed
from tests.clock import FakeClock
from tests.gateway.fakes import comes_true
from tests.redis_server import RedisServer

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
#: For Redis, which hangs for ever here, and for this machine, busy as it may be.
MAX_SECONDS = 20


@pytest.fixture
def settings(settings: Settings, redis_url: str) -> Settings:
    return replace(settings, redis_url=redis_url)


class Worker:
    """An app as one of several workers; ``bearer`` is a user's token."""

    def __init__(self, app: Flask, clock: FakeClock) -> None:
        self.app, self.clock = app, clock
        self.bearer = ""
        self.parts = app.extensions["postern"]

    def log_in(self, username: str = "user", password: str = PASSWORD) -> Any:
        return self.send("POST", "/api/v1/login", json={"username": username, "password": password})

    def send(self, verb: str, path: str, **options: Any) -> Any:
        began = time.monotonic()
        headers = {"Authorization": f"Bearer {self.bearer}"} if self.bearer else {}
        answer = self.app.test_client().open(path, method=verb, **{"headers": headers, **options})
        assert time.monotonic() - began < MAX_SECONDS
        return answer

    def me(self, bearer: str | None = None) -> int:
        return self.send(
            "GET", "/me", headers={"Authorization": f"Bearer {bearer or self.bearer}"}
        ).status_code

    def signed(self, secret: str, nonce: str) -> int:
        headers = signed(self.clock, secret, "/me", nonce=nonce)
        return self.send("GET", "/me", headers=headers).status_code

    def products(self) -> list[str]:
        answer = self.send("GET", "/api/v1/products")
        return [item["name"] for item in answer.json["data"]["items"]]

    def add_product(self, name: str) -> None:
        answer = self.send("POST", "/api/v1/products", json={"name": name, "price": 1, "stock": 3})
        assert answer.status_code == 201, answer.text

    @property
    def up(self) -> bool:
        return self.parts.store.up


@pytest.fixture
def workers(
    app: Flask,
    make_app: Callable[..., Flask],
    settings: Settings,
    clock: FakeClock,
    users: dict[str, int],
) -> Iterator[tuple[Worker, Worker]]:
    pair = Worker(app, clock), Worker(make_app(settings), clock)
    bearer = pair[0].log_in().json["data"]["access_token"]
    for worker in pair:
        worker.bearer = bearer
        assert worker.me() == 200
    return pair


@pytest.fixture
def open_workers(
    make_app: Callable[..., Flask],
    settings: Settings,
    clock: FakeClock,
    workers: tuple[Worker, Worker],
) -> tuple[Worker, Worker]:
    """The same with REDIS_DOWN=open."""
    pair = tuple(Worker(make_app(replace(settings, redis_down="open")), clock) for _ in workers)
    for worker in pair:
        worker.bearer = workers[0].bearer
    return pair


def failure(answer: Any) -> tuple[int, int, bool, str | None]:
    return (
        answer.status_code,
        answer.json["code"],
        answer.json["error"]["retryable"],
        answer.headers.get("Retry-After"),
    )


AWAY = (503, -5001, True, "1")


def test_a_nonce_used_on_one_worker_is_refused_by_the_other(workers, shop: str) -> None:
    one, other = workers
    assert one.signed(shop, "nonce-0001") == 200
    assert other.signed(shop, "nonce-0001") == 401
    assert other.signed(shop, "nonce-0002") == 200


def test_a_logout_on_one_worker_is_known_to_the_other(workers) -> None:
    one, other = workers
    assert one.send("POST", "/api/v1/logout").status_code == 200
    assert (one.me(), other.me()) == (401, 401)


def test_an_ended_token_stays_ended_when_redis_is_restarted_empty(
    workers, redis_server: RedisServer
) -> None:
    one, other = workers
    fresh = one.log_in().json["data"]["access_token"]
    one.send("POST", "/api/v1/logout")
    redis_server.kill()
    redis_server.start()
    for worker in workers:
        assert comes_true(lambda worker=worker: worker.me(fresh) == 200)
        assert worker.me() == 401
    redis_server.client.flushall()  # unnoticed by any connection
    assert [other.me(), one.me()] == [401, 401]


def test_an_end_that_a_dying_worker_did_not_tell_is_learnt_from_the_database(
    workers, clock: FakeClock
) -> None:
    one, other = workers
    token = one.app.extensions["postern.auth"].tokens.verify(one.bearer)
    with one.parts.database.write_session() as session:
        expires = one.app.extensions["postern.auth"].now().replace(year=2030)
        session.add(RevokedToken(jti=token.jti, expires_at=expires))
    clock.advance(61)
    other.me()
    assert (one.me(), other.me()) == (401, 401)


def test_a_write_on_one_worker_ends_what_the_other_kept(workers) -> None:
    one, other = workers
    for name, writer, reader in (("Tea", one, other), ("Milk", other, one), ("Rum", one, other)):
        reader.products()
        writer.add_product(name)
        assert name in reader.products()
        assert name in writer.products()


def test_what_is_kept_in_redis_is_json(workers, redis_server: RedisServer) -> None:
    workers[0].products()
    entries = [redis_server.client.get(key) for key in redis_server.client.keys("postern:cache:*")]
    assert len(entries) == 2
    assert all(value[:1] in b'["' for value in entries)


def test_while_redis_hangs_nobody_is_let_in_and_nobody_waits(
    workers, shop: str, redis_server: RedisServer
) -> None:
    one, other = workers
    redis_server.pause()
    assert failure(one.send("GET", "/me")) == AWAY
    assert one.signed(shop, "nonce-0001") == 503
    assert other.signed(shop, "nonce-0001") == 503
    redis_server.resume()
    assert comes_true(lambda: one.up and other.up)
    assert one.me() == 200
    assert one.signed(shop, "nonce-0002") == 200


def test_open_lets_in_who_can_be_checked_by_the_worker_alone(
    open_workers, shop: str, redis_server: RedisServer
) -> None:
    one, other = open_workers
    redis_server.pause()
    assert one.signed(shop, "nonce-0001") == 200
    assert one.signed(shop, "nonce-0001") == 401
    assert one.me() == 200
    assert other.send("POST", "/api/v1/logout").status_code == 200
    assert (one.me(), other.me()) == (401, 401)
    redis_server.resume()
    assert comes_true(lambda: one.up and other.up)
    assert (one.me(), other.me()) == (401, 401)


def test_a_write_while_redis_hangs_is_seen_by_all_after_it(
    open_workers, redis_server: RedisServer
) -> None:
    one, other = open_workers
    one.add_product("Tea")
    assert (one.products(), other.products()) == (["Tea"], ["Tea"])
    redis_server.pause()
    one.add_product("Milk")
    assert sorted(other.products()) == ["Milk", "Tea"]
    redis_server.resume()
    assert comes_true(lambda: one.up and other.up)
    assert sorted(other.products()) == ["Milk", "Tea"]
    assert sorted(one.products()) == ["Milk", "Tea"]


def test_failed_logins_go_on_being_counted_while_redis_is_away(
    workers, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "verify_password", lambda _, password: password == PASSWORD)
    one, _ = workers
    redis_server.kill()
    assert one.log_in().status_code == 200
    assert [one.log_in(password="wrong").status_code for _ in range(11)] == [401] * 10 + [429]
    assert one.log_in().status_code == 429


def test_an_order_that_cannot_be_locked_is_not_charged(
    open_workers, users, redis_server: RedisServer
) -> None:
    one, _ = open_workers
    with one.parts.database.write_session() as session:
        session.add(Product(name="Tea", price=1, stock=3))
    response = one.send(
        "POST",
        f"/api/v1/users/{users['user']}/orders",
        json={"items": [{"product_id": 1, "quantity": 1}]},
    )
    redis_server.pause()
    answer = one.send(
        "POST", f"/api/v1/orders/{response.json['data']['id']}/pay", json={"via": "pay.charge"}
    )
    assert failure(answer) == AWAY
    with one.parts.database.read_session() as session:
        assert session.get(Order, response.json["data"]["id"]).status == "pending"


def test_readyz_says_whether_redis_is_there(
    workers, open_workers, redis_server: RedisServer
) -> None:
    closed, opened = workers[0], open_workers[0]
    assert closed.send("GET", "/readyz").json["data"]["cache"] == "ok"
    redis_server.pause()
    answer = closed.send("GET", "/readyz")
    assert (answer.status_code, answer.json["error"]["fields"]) == (
        503,
        {"cache": ["Redis does not answer."]},
    )
    answer = opened.send("GET", "/readyz")
    assert (answer.status_code, answer.json["data"]["cache"]) == (200, "away")
    redis_server.resume()
    assert comes_true(lambda: closed.up and opened.up)
    assert closed.send("GET", "/readyz").status_code == 200


def test_a_redis_that_was_never_there_does_not_stop_the_start(
    settings: Settings, make_app, redis_server, clock
) -> None:
    redis_server.kill()
    worker = Worker(make_app(settings), clock)
    assert worker.send("GET", "/healthz").status_code == 200
    assert worker.send("GET", "/readyz").status_code == 503
    redis_server.start()
    assert comes_true(lambda: worker.send("GET", "/readyz").status_code == 200)
