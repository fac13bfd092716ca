"""Paying orders over HTTP, against a vendor that charges, refuses, hangs and loses its answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests

from config import Settings
from gateway.errors import ConnectFailed, DeadlineExceeded, Forbidden, Rejected
from gateway.messages import Attempt
from models import Order, Product
from sandbox import Sandbox
from tests.api.conftest import patient
from tests.e2e.live import catalog_for
from tests.gateway.fakes import comes_true
from tests.held_vendor import held
from tests.ports import free_port

#: `once` honours no key (and `repeat` claims to need none), `strict` is for admins, `hasty` waits for no slow answer.
MORE = """
  once: &once
    base_url: {url}
    allow_private: true
    methods: &methods
      charge: {{http: POST /payments, params: {{order_id: {{type: integer}}, amount: {{type: string}}}}}}
      repeat: {{http: POST /payments, idempotent: true, params: {{order_id: {{type: integer}}, amount: {{type: string}}}}}}
      find: {{http: GET /payments, params: {{order_id: {{type: integer}}}}}}
      count: {{http: GET /items, params: {{order_id: {{type: integer}}}}}}
      stood_in: {{http: POST /payments, params: {{order_id: {{type: integer}}, amount: {{type: string}}}}, fallback: {{static: {{}}}}}}
      kept: {{http: GET /payments, params: {{order_id: {{type: integer}}}}, cache: {{ttl: 60}}}}
      seldom: {{http: POST /payments, params: {{order_id: {{type: integer}}, amount: {{type: string}}}}, rate_limit: 1/day}}
  strict: {{base_url: {url}, allow_private: true, roles: [admin], methods: *methods}}
  hasty: {{base_url: {url}, allow_private: true, timeout: {{read: 0.5}}, methods: *methods}}
"""


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, box: Sandbox, tmp_path: Path) -> Settings:
    catalog = tmp_path / "services.yaml"
    text = patient(catalog_for(box, MORE.format(url=box.url)))
    catalog.write_text(text, encoding="utf-8")
    return replace(settings, catalog=str(catalog))


def hurry(fault: str) -> dict[str, str]:
    """How long a caller waits for an answer that never comes."""
    return {"X-Request-Timeout": "0.5"} if fault == "hang" else {}


class Shop:
    """One user with one product."""

    def __init__(self, app: Any, tokens: Any, users: dict[str, int], box: Sandbox) -> None:
        self.app, self.box, self.users, self.headers = app, box, users, tokens
        with self.database.write_session() as session:
            session.add_all(
                Product(name=price, price=price, stock=100) for price in ("4.50", "0.13")
            )

    @property
    def database(self) -> Any:
        return self.app.extensions["postern"].database

    def order(self, product: int = 1) -> int:
        body = {"items": [{"product_id": product, "quantity": 1}]}
        path = f"/api/v1/users/{self.users['user']}/orders"
        answer = self.app.test_client().post(path, json=body, headers=self.headers["user"])
        assert answer.status_code == 201, answer.text
        return answer.json["data"]["id"]

    def pay(self, order: int, via: str = "pay.charge", who: str = "user", **more: Any) -> Any:
        headers = {**self.headers[who], **more.pop("headers", {})}
        body = {"via": via, **more}
        return self.app.test_client().post(
            f"/api/v1/orders/{order}/pay", json=body, headers=headers
        )

    def read(self, order: int) -> dict[str, Any]:
        return (
            self.app.test_client()
            .get(f"/api/v1/orders/{order}", headers=self.headers["user"])
            .json["data"]
        )

    def status(self, order: int) -> str:
        return self.read(order)["status"]

    def charged(self) -> list[str]:
        """What the vendor took, by its own books."""
        self.box.fault("/payments", "")
        return [
            request["amount"]
            for request in requests.get(f"{self.box.url}/payments", timeout=30).json()
        ]

    def sent(self) -> list[Any]:
        return [
            request
            for request in self.box.requests
            if request.verb == "POST" and request.path == "/payments"
        ]


@pytest.fixture
def shop(app, tokens, users, box) -> Shop:
    return Shop(app, tokens, users, box)


def test_an_order_is_charged_its_total_and_is_paid(shop: Shop, box: Sandbox) -> None:
    order = shop.order()

    paid = shop.pay(order)
    again = shop.pay(order)

    assert paid.status_code == 200, paid.text
    assert paid.json["data"] == shop.read(order)
    assert (paid.json["data"]["status"], paid.json["data"]["via"]) == ("paid", "pay.charge")
    assert paid.headers["ETag"]
    assert (paid.headers["X-Attempts"], "downstream;dur=" in paid.headers["Server-Timing"]) == (
        "1",
        True,
    )
    assert shop.sent()[0].text() == f'{{"order_id":{order},"amount":"4.50"}}'
    assert shop.sent()[0].headers["idempotency-key"].startswith(f"order-{order}-")
    assert (again.status_code, again.json["code"], "X-Attempts" in again.headers) == (
        409,
        -3006,
        False,
    )
    assert shop.charged() == ["4.50"]


def test_a_caller_waits_no_longer_than_it_said_and_the_order_is_unknown(
    shop: Shop, box: Sandbox
) -> None:
    order = shop.order()
    box.fault("/payments", "hang")

    hurried = shop.pay(order, headers=hurry("hang"))
    box.fault("/payments", "")

    assert hurried.json["code"] in (-1001, -1011), hurried.text
    assert (hurried.status_code, shop.status(order)) == (504, "unknown")
    assert int(hurried.headers["X-Attempts"]) >= 1
    assert shop.pay(order).json["data"]["status"] == "paid"
    assert shop.charged() == ["4.50"]


@pytest.mark.parametrize("timeout", ["0", "-1", "inf", "nan", "soon", ""])
def test_a_time_that_is_none_leaves_the_order_as_it_was(shop: Shop, timeout: str) -> None:
    order = shop.order()

    answer = shop.pay(order, headers={"X-Request-Timeout": timeout})

    assert (answer.status_code, list(answer.json["error"]["fields"])) == (
        400,
        ["X-Request-Timeout"],
    )
    assert (shop.status(order), shop.sent()) == ("pending", [])


@pytest.mark.parametrize(
    ("fault", "via", "status", "code", "state"),
    [
        ("retry-after=7", "pay.charge", 429, -1009, "failed"),
        ("status=401", "pay.charge", 502, -1012, "failed"),
        ("status=403", "pay.charge", 422, -1006, "failed"),
        ("status=409", "pay.charge", 422, -1006, "unknown"),
        ("status=500", "pay.charge", 502, -1004, "unknown"),
        ("status=503", "pay.charge", 502, -1004, "unknown"),
        ("hang", "hasty.charge", 504, -1001, "unknown"),
        ("reset", "pay.charge", 502, -1003, "unknown"),
        ("short", "pay.charge", 502, -1005, "unknown"),
        ("html", "pay.charge", 502, -1005, "unknown"),
        ("reset", "once.charge", 502, -1003, "unknown"),
    ],
)
def test_a_failure_is_answered_as_a_calls_and_kept_as_what_it_means(
    shop: Shop, fault: str, via: str, status: int, code: int, state: str
) -> None:
    order = shop.order()
    shop.box.fault("/payments", fault)

    answer = shop.pay(order, via)

    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
    assert f"{answer.json['error']['service']}.{answer.json['error']['method']}" == via
    assert (shop.read(order)["status"], shop.read(order)["via"]) == (state, via)


@pytest.mark.parametrize(
    ("attempts", "error", "state"),
    [
        ([], DeadlineExceeded(), "unknown"),
        ([], RuntimeError("a bug"), "unknown"),
        ([Attempt(not_executed=True)], ConnectFailed(), "failed"),
        (
            [Attempt(not_executed=True), Attempt()],
            ConnectFailed(),
            "unknown",
        ),  # the deadline came in the second
        ([Attempt(not_executed=True)], Forbidden(), "failed"),  # the catalog changed in between
    ],
)
def test_only_what_is_certain_is_recorded(
    shop: Shop, monkeypatch, attempts: list[Attempt], error: Exception, state: str
) -> None:
    def call(timeout: Any) -> None:
        timeout.trace.attempts.extend(attempts)
        raise error

    order = shop.order()
    monkeypatch.setattr(shop.app.extensions["postern"].gateway, "call", call)

    assert shop.pay(order).status_code >= 400
    assert shop.status(order) == state


def test_a_declined_order_keeps_its_stock_and_may_be_paid_again_another_way(shop: Shop) -> None:
    order = shop.order(product=2)

    for via in ("pay.charge", "once.charge"):
        answer = shop.pay(order, via)
        assert (answer.status_code, answer.json["code"], shop.status(order)) == (
            422,
            -1006,
            "failed",
        )
        assert shop.read(order)["via"] == via
    with shop.database.read_session() as session:
        assert session.get_one(Product, 2).stock == 99


def test_what_our_own_limits_do_not_send_charged_nothing(shop: Shop) -> None:
    first, second = shop.order(), shop.order()
    assert shop.pay(first, "once.seldom").status_code == 200

    refused = shop.pay(second, "once.seldom")

    assert (refused.status_code, refused.headers["X-Attempts"]) == (429, "0")
    assert shop.status(second) == "failed"
    assert shop.pay(second).status_code == 200


def test_a_vendor_that_is_not_there_charged_nothing(shop: Shop, box: Sandbox) -> None:
    order = shop.order()
    box.stop()
    for via in ("pay.charge", "once.charge"):
        answer = shop.pay(order, via)
        assert (answer.status_code, answer.json["code"], shop.status(order)) == (
            502,
            -1003,
            "failed",
        )
    box.start()

    assert shop.pay(order).status_code == 200
    assert shop.charged() == ["4.50"]


@pytest.mark.parametrize("fault", ["short", "truncated", "reset", "hang", "status=503"])
def test_an_unknown_order_is_settled_by_the_same_key_and_charged_once(
    shop: Shop, box: Sandbox, fault: str
) -> None:
    order = shop.order()
    box.fault("/payments", fault)
    assert shop.pay(order, headers=hurry(fault)).status_code >= 500
    box.fault("/payments", "")

    paid = shop.pay(order)

    assert (paid.status_code, paid.json["data"]["status"]) == (200, "paid")
    assert len({request.headers["idempotency-key"] for request in shop.sent()}) == 1
    assert shop.charged() == ["4.50"]


def test_whoever_tries_again_does_so_under_the_same_key(shop: Shop, box: Sandbox) -> None:
    order = shop.order()
    box.fault("/payments", "short")
    shop.pay(order, headers={"Idempotency-Key": "the-users-own"})
    box.fault("/payments", "")

    paid = shop.pay(order, who="admin", headers={"Idempotency-Key": "the-admins-own"})

    assert (paid.status_code, paid.json["data"]["status"]) == (200, "paid")
    assert len({request.headers["idempotency-key"] for request in shop.sent()}) == 1
    assert shop.charged() == ["4.50"]


def test_what_says_nothing_about_the_first_try_leaves_an_unknown_order_unknown(
    shop: Shop, box: Sandbox
) -> None:
    order = shop.order()
    box.fault("/payments", "short")
    shop.pay(order)
    for fault, code in (
        ("retry-after=7", -1009),
        ("status=401", -1012),
        ("status=403", -1006),
        ("status=409", -1006),
    ):
        box.fault("/payments", fault)
        assert shop.pay(order).json["code"] == code
        assert shop.status(order) == "unknown", fault
    box.fault("/payments", "")
    box.stop()
    assert (shop.pay(order).json["code"], shop.status(order)) == (-1003, "unknown")
    box.start()

    assert shop.pay(order).status_code == 200
    assert shop.charged() == ["4.50"]


def test_the_vendors_no_to_the_same_key_settles_an_unknown_order(shop: Shop, box: Sandbox) -> None:
    order = shop.order(product=2)
    box.fault("/payments", "reset")
    shop.pay(order)
    assert shop.status(order) == "unknown"
    box.fault("/payments", "")

    assert (shop.pay(order).json["code"], shop.status(order)) == (-1006, "failed")


@pytest.mark.parametrize(("via", "state"), [("pay.charge", "failed"), ("once.repeat", "unknown")])
def test_a_no_after_a_lost_answer_is_believed_only_with_a_key(
    shop: Shop, box: Sandbox, via: str, state: str
) -> None:
    order = shop.order(product=2)
    box.fault("/payments", "reset", times=1)

    answer = shop.pay(order, via)

    assert answer.json["code"] == -1006
    assert len(shop.sent()) == 2
    assert shop.status(order) == state


def test_an_unknown_order_is_settled_only_through_the_method_that_may_have_charged(
    shop: Shop, box: Sandbox
) -> None:
    order = shop.order()
    box.fault("/payments", "short")
    shop.pay(order)
    box.fault("/payments", "")

    other = shop.pay(order, "once.charge")

    assert (other.status_code, other.json["code"]) == (409, -3006)
    assert len(shop.charged()) == 1


def test_a_method_without_a_key_is_never_sent_again_when_the_outcome_is_unknown(
    shop: Shop, box: Sandbox
) -> None:
    order = shop.order()
    box.fault("/payments", "short")
    assert shop.pay(order, "once.charge").status_code == 502
    assert shop.charged() == ["4.50"]

    refused = shop.pay(order, "once.charge")
    settled = shop.pay(order, "once.charge", settle="once.find")

    assert (refused.status_code, refused.json["code"]) == (409, -3006)
    assert "settle" in refused.json["message"]
    assert (settled.status_code, settled.json["data"]["status"]) == (200, "paid")
    assert shop.charged() == ["4.50"]


def test_that_the_vendor_knows_no_payment_is_no_proof_but_to_an_admin(
    shop: Shop, box: Sandbox
) -> None:
    order = shop.order()
    box.fault("/payments", "reset")
    shop.pay(order, "once.charge")
    box.fault("/payments", "")

    not_yet = shop.pay(order, "once.charge", settle="once.find")
    assert (not_yet.status_code, shop.status(order)) == (409, "unknown")

    decided = shop.pay(order, "once.charge", who="admin", settle="once.find")
    assert (decided.status_code, decided.json["data"]["status"]) == (200, "failed")
    assert shop.pay(order, "once.charge", settle="once.find").json["data"]["status"] == "paid"
    assert shop.charged() == ["4.50"]


def test_a_settling_that_fails_settles_nothing(shop: Shop, box: Sandbox) -> None:
    order = shop.order()
    box.fault("/payments", "short")
    shop.pay(order, "once.charge")

    for fault, settle, code in (
        ("status=500", "once.find", -1004),
        ("html", "once.find", -1005),
        ("", "once.count", -1005),  # no list of payments
        ("", "once.charge", -3003),  # no GET
        ("", "once.kept", -3003),  # may be what was true before
        ("", "pay.find", -3003),  # another service
        ("", "once.nothing", -3004),
    ):
        box.fault("/payments", fault)
        assert shop.pay(order, "once.charge", settle=settle).json["code"] == code
        assert shop.status(order) == "unknown"


class Books(BaseHTTPRequestHandler):
    """A vendor that loses every charge's answer, and tells of its payments what the test says."""

    payments: ClassVar[list[dict[str, Any]]] = []
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.close_connection = True

    def do_GET(self) -> None:
        body = json.dumps(self.payments).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def books(shop: Shop, make_app, settings: Settings) -> Iterator[type[Books]]:
    with ThreadingHTTPServer(("127.0.0.1", free_port()), Books) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        catalog = Path(settings.catalog).with_name("books.yaml")
        url = f"http://127.0.0.1:{server.server_port}"
        catalog.write_text(f"version: 1\nservices:{MORE.format(url=url)}", encoding="utf-8")
        shop.app = make_app(replace(settings, catalog=str(catalog)))
        yield Books
        server.shutdown()


def payment(status: str, amount: Any = "4.50", order: int = 1) -> dict[str, Any]:
    return {"order_id": order, "amount": amount, "status": status, "more": "that we do not know"}


@pytest.mark.parametrize(
    ("listed", "user", "admin"),
    [
        ([payment("succeeded")], "paid", "paid"),
        ([payment("succeeded", 4.5)], "paid", "paid"),
        ([payment("failed"), payment("succeeded"), payment("canceled")], "paid", "paid"),
        ([payment("failed")], "failed", "failed"),
        ([payment("declined"), payment("canceled")], "failed", "failed"),
        ([payment("failed"), payment("processing")], "unknown", "unknown"),
        ([payment("refunded")], "unknown", "unknown"),
        (
            [payment("succeeded", "4.51")],
            "unknown",
            "unknown",
        ),  # not what we asked for: for a human to look at
        ([payment("succeeded", order=2)], "unknown", "failed"),  # a vendor that tells of all orders
        ([payment("failed", order=2)], "unknown", "failed"),
        ([], "unknown", "failed"),
    ],
)
def test_an_unknown_order_becomes_what_the_vendor_tells_and_only_if_that_is_certain(
    shop: Shop, books: type[Books], listed: list[Any], user: str, admin: str
) -> None:
    order = shop.order()
    assert order == 1
    assert (shop.pay(order, "once.charge").json["code"], shop.status(order)) == (-1003, "unknown")
    books.payments = listed

    for who, state in (("user", user), ("admin", admin)):
        if shop.status(order) != "unknown":
            break
        answer = shop.pay(order, "once.charge", who=who, settle="once.find")
        assert (answer.status_code, shop.status(order)) == (
            409 if state == "unknown" else 200,
            state,
        )
        assert answer.headers["X-Attempts"] == "1"


@pytest.mark.parametrize(
    "listed",
    [
        payment("succeeded", "NaN"),
        payment("succeeded", None),
        payment(7),
        {"order_id": 1, "amount": "4.50"},
        "paid",
    ],  # type: ignore[arg-type]
)
def test_what_is_no_list_of_payments_settles_nothing(
    shop: Shop, books: type[Books], listed: Any
) -> None:
    order = shop.order()
    shop.pay(order, "once.charge")
    books.payments = [listed]

    assert shop.pay(order, "once.charge", who="admin", settle="once.find").json["code"] == -1005
    assert shop.status(order) == "unknown"


@pytest.mark.parametrize(
    ("late", "later", "state"),
    [("no", "yes", "paid"), ("yes", "no", "paid"), ("no", "?", "unknown")],
)
def test_an_answer_that_comes_after_a_later_trys_undoes_nothing(
    shop: Shop, clock, monkeypatch, late: str, later: str, state: str
) -> None:
    """The first try's process was so slow that its mark has faded and somebody paid again meanwhile."""
    gateway, order = shop.app.extensions["postern"].gateway, shop.order()

    def say(call: Any, word: str) -> None:
        if word != "yes":
            call.trace.attempts.append(Attempt(not_executed=word == "no"))
            raise Rejected(vendor_code="402") if word == "no" else ConnectFailed()

    def first(call: Any) -> None:
        monkeypatch.setattr(gateway, "call", lambda second: say(second, later))
        clock.advance(60)
        shop.pay(order)
        say(call, late)

    monkeypatch.setattr(gateway, "call", first)
    shop.pay(order)

    assert shop.status(order) == state


@pytest.mark.parametrize(
    ("via", "status", "code"),
    [
        ("strict.charge", 403, -2004),
        ("nobody.charge", 404, -3004),
        ("pay.nothing", 404, -3004),
        ("pay.find", 400, -3003),
        ("once.stood_in", 400, -3003),
        ("wechat.send_msg", 400, -3003),
        ("pay", 400, -3003),
        ("pay.charge.x", 400, -3003),
        (5, 400, -3003),
    ],
)
def test_what_may_not_charge_leaves_the_order_as_it_was(
    shop: Shop, via: Any, status: int, code: int
) -> None:
    order = shop.order()

    answer = shop.pay(order, via)

    assert (answer.status_code, answer.json["code"]) == (status, code), answer.text
    assert (shop.read(order)["status"], shop.read(order)["via"]) == ("pending", None)
    assert shop.sent() == []


def test_an_admin_pays_through_a_service_for_admins(shop: Shop) -> None:
    assert shop.pay(shop.order(), "strict.charge", who="admin").status_code == 200


def test_guests_and_stale_etags_do_not_pay(shop: Shop) -> None:
    order = shop.order()

    assert shop.pay(order, who="guest").json["code"] == -2004
    assert shop.pay(order, headers={"If-Match": '"0-0"'}).json["code"] == -3009
    assert shop.sent() == []


@pytest.mark.parametrize("via", ["pay.charge", "once.charge"])
def test_of_parallel_pays_one_charges_and_the_others_are_409(
    shop: Shop, box: Sandbox, via: str
) -> None:
    order = shop.order()

    with ThreadPoolExecutor(8) as pool, held(box, "/payments") as release:
        calls = [pool.submit(shop.pay, order, via) for _ in range(8)]
        assert comes_true(lambda: sum(call.done() for call in calls) == 7)
        release.set()

    assert sorted(call.result().status_code for call in calls) == [200] + [409] * 7
    assert len(shop.sent()) == 1
    assert shop.charged() == ["4.50"]


def test_no_connection_to_the_database_is_held_while_the_vendor_is_asked(
    shop: Shop, monkeypatch
) -> None:
    gateway, sessions = shop.app.extensions["postern"].gateway, []
    real = gateway.call

    def call(outgoing: Any) -> Any:
        sessions.append(shop.database.engine.pool.checkedout())
        assert shop.status(order) == "unknown", "claimed, and committed"
        return real(outgoing)

    order = shop.order()
    monkeypatch.setattr(gateway, "call", call)

    assert shop.pay(order).status_code == 200
    assert sessions == [0]


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("reached_the_vendor", [False, True])
@pytest.mark.parametrize("via", ["pay.charge", "once.charge"])
def test_a_crash_in_the_middle_leaves_an_order_that_can_be_explained_and_settled(
    shop: Shop, make_app, settings, monkeypatch, via: str, reached_the_vendor: bool
) -> None:
    order = shop.order()
    gateway = shop.app.extensions["postern"].gateway
    real = gateway.call

    def dies(call: Any) -> Any:
        if reached_the_vendor:
            real(call)
        raise Killed

    monkeypatch.setattr(gateway, "call", dies)
    with pytest.raises(Killed):
        shop.pay(order, via)

    shop.app = make_app(settings)
    assert (shop.read(order)["status"], shop.read(order)["via"]) == ("unknown", via)
    again = shop.pay(order, via)
    if via == "pay.charge":
        assert (again.status_code, shop.charged()) == (200, ["4.50"])
    else:
        assert again.status_code == 409
        settled = shop.pay(order, via, settle="once.find")
        assert settled.status_code == (200 if reached_the_vendor else 409)


def test_an_order_in_another_database_has_another_key(shop: Shop) -> None:
    with shop.database.read_session() as session:
        order = session.get_one(Order, shop.order())
        before = order.idempotency_key
        order.user_id += 1
        assert order.idempotency_key != before
        session.rollback()
