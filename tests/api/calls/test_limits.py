"""The caller's limit as a caller sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from config import Settings
from models import App
from sandbox import Sandbox
from tests.api.conftest import patient
from tests.api.resources.test_apps import signed
from tests.clock import FakeClock
from tests.e2e.live import catalog_for
from tests.ports import free_port

CALL = "/api/v1/call/demo/list_items"


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, box: Sandbox, tmp_path: Path) -> Settings:
    catalog = tmp_path / "services.yaml"
    catalog.write_text(patient(catalog_for(box)), encoding="utf-8")
    return replace(settings, catalog=str(catalog), default_rate_limit="3/minute")


@pytest.fixture
def ask(client: FlaskClient, tokens: dict[str, dict[str, str]]) -> Callable[..., Any]:
    return lambda path=CALL, who="user", **how: client.get(path, headers=tokens[who], **how)


def status_and_limits(answer: Any) -> tuple[int, dict[str, str]]:
    return answer.status_code, {
        name: text for name, text in answer.headers if name.startswith("RateLimit-")
    }


def headers(limit: int, remaining: int, reset: int) -> dict[str, str]:
    return {
        "RateLimit-Limit": str(limit),
        "RateLimit-Remaining": str(remaining),
        "RateLimit-Reset": str(reset),
    }


def test_every_answer_to_a_call_tells_the_callers_limit(
    ask: Any, box: Sandbox, clock: FakeClock
) -> None:
    assert status_and_limits(ask()) == (200, headers(3, 2, 60))
    clock.advance(0.5)
    box.fault("/items", "status=404")
    assert status_and_limits(ask()) == (422, headers(3, 1, 60))
    assert status_and_limits(ask("/api/v1/call/demo/get_item?id=1")) == (422, headers(3, 0, 60))


def test_a_vendors_quota_always_says_when_to_come_again(ask: Any, box: Sandbox) -> None:
    box.fault("/items", "status=429")
    answer = ask()
    assert (answer.json["code"], answer.status_code, answer.headers["Retry-After"]) == (
        -1009,
        429,
        "1",
    )
    box.fault("/items", "retry-after=7")
    assert ask().headers["Retry-After"] == "7"


def test_over_the_limit_is_429_with_when_to_come_again(
    ask: Any, box: Sandbox, clock: FakeClock
) -> None:
    for _ in range(3):
        ask()
    clock.advance(12.7)
    answer = ask()
    assert status_and_limits(answer) == (429, headers(3, 0, 48))
    assert answer.headers["Retry-After"] == "48"
    assert (answer.json["code"], answer.json["error"]["type"]) == (-3008, "rate_limited")
    assert answer.json["error"]["source"] == "caller"
    assert len(box.requests) == 3
    clock.advance(48)
    assert status_and_limits(ask())[0] == 200


def test_a_user_has_one_limit_over_all_logins_and_others_have_theirs(
    ask: Any, login: Any, client: FlaskClient
) -> None:
    for _ in range(3):
        ask()
    second = {"Authorization": f"Bearer {login('user')['access_token']}"}
    assert client.get(CALL, headers=second).status_code == 429
    assert ask(who="admin").status_code == 200


@pytest.mark.parametrize(("rate", "limit"), [("2/minute", 2), (None, 3)])
def test_an_app_has_the_rate_it_was_given_or_else_the_default(
    app: Any, client: FlaskClient, clock: FakeClock, shop: str, rate: str | None, limit: int
) -> None:
    with app.extensions["postern"].database.write_session() as session:
        row = App.by_app_id(session, "shop")
        row.rate, row.allow = rate, ["demo"]
    answers = [client.get(CALL, headers=signed(clock, shop, CALL)) for _ in range(limit + 1)]
    assert [answer.status_code for answer in answers] == [200] * limit + [429]
    assert status_and_limits(answers[0])[1] == headers(limit, limit - 1, 60)


def test_what_is_no_call_has_no_limit(ask: Any) -> None:
    assert {status_and_limits(ask("/api/v1/services")) == (200, {}) for _ in range(9)} == {True}


def test_a_vendors_quota_is_429_with_when_to_come_again(
    make_app: Any, settings: Settings, users: Any, box: Sandbox, login: Any
) -> None:
    file = Path(settings.catalog)
    limited = "  demo:\n    rate_limit: 2/minute"
    file.write_text(file.read_text(encoding="utf-8").replace("  demo:", limited), encoding="utf-8")
    client, bearer = (
        make_app(settings).test_client(),
        {"Authorization": f"Bearer {login()['access_token']}"},
    )
    answers = [client.get(CALL, headers=bearer) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].headers["Retry-After"] == "60"
    assert answers[-1].json["code"] == -1009
    assert answers[-1].json["error"]["type"] == "downstream_quota"
    assert answers[-1].json["error"]["source"] == "downstream"
