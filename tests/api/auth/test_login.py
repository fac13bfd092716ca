from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from api.auth import passwords, views
from config import Settings
from models import RefreshToken, User
from tests.api.conftest import PASSWORD
from tests.clock import FakeClock

Login = Callable[..., dict[str, Any]]


def post(
    client: FlaskClient, path: str, body: Any = None, token: str | None = None, **options: Any
) -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.post(f"/api/v1{path}", json=body, headers=headers, **options)


def outcome(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json["code"]


def attempt(client: FlaskClient, username: str, password: str, address: str = "10.0.0.1") -> Any:
    body = {"username": username, "password": password}
    return post(client, "/login", body, environ_overrides={"REMOTE_ADDR": address})


def refresh(client: FlaskClient, token: str) -> Any:
    return post(client, "/token/refresh", {"refresh_token": token})


def me(client: FlaskClient, token: str) -> tuple[int, int]:
    return outcome(client.get("/me", headers={"Authorization": f"Bearer {token}"}))


@pytest.fixture
def quick_hash(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords compared in no time; which were looked at."""
    looked_at: list[str] = []

    def verify(password_hash: str | None, password: str) -> bool:
        looked_at.append(password)
        return password == PASSWORD and password_hash is not None

    monkeypatch.setattr(views, "verify_password", verify)
    return looked_at


def test_a_login_gives_a_pair_of_tokens(client: FlaskClient, users: dict[str, int]) -> None:
    answer = attempt(client, "admin", PASSWORD)
    data = answer.json["data"]
    assert outcome(answer) == (200, 0)
    assert set(data) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (data["token_type"], data["expires_in"]) == ("bearer", 900)
    assert answer.headers["Cache-Control"] == "no-store"
    caller = client.get("/me", headers={"Authorization": f"Bearer {data['access_token']}"}).json[
        "data"
    ]
    assert (caller["id"], caller["role"]) == (f"user:{users['admin']}", "admin")


def test_a_wrong_password_and_an_unknown_user_are_told_apart_by_nothing(
    client: FlaskClient, users: dict[str, int]
) -> None:
    wrong, unknown = attempt(client, "user", "wrong"), attempt(client, "nobody", "wrong")
    assert outcome(wrong) == outcome(unknown) == (401, -2006)
    assert wrong.json["message"] == unknown.json["message"]


def test_an_unknown_user_costs_a_hash_too(
    client: FlaskClient, users: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes: list[str] = []
    real = passwords._hasher.verify

    class Spy:
        def verify(self, password_hash: str, password: str) -> bool:
            hashes.append(password_hash)
            return real(password_hash, password)

    monkeypatch.setattr(passwords, "_hasher", Spy())
    attempt(client, "user", "wrong")
    attempt(client, "nobody", "wrong")
    assert len(hashes) == 2
    costs = {password_hash.rsplit("$", 2)[0] for password_hash in hashes}
    assert costs == {"$argon2id$v=19$m=19456,t=2,p=1"}


def test_no_database_session_is_open_while_a_password_is_hashed(
    app: Flask, client: FlaskClient, users: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = app.extensions["postern"].database.engine.pool
    open_then: list[int] = []
    monkeypatch.setattr(
        views, "verify_password", lambda *_: bool(open_then.append(pool.checkedout()))
    )
    attempt(client, "user", PASSWORD)
    assert open_then == [0]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"password": "x"}, "username"), ({"username": "x"}, "password"),
        ({"username": 1, "password": "x"}, "username"), ({"username": None, "password": "x"}, "username"),
        ({"username": "", "password": "x"}, "username"), ({"username": "x" * 151, "password": "x"}, "username"),
        ({"username": "a\0b", "password": "x"}, "username"), ({"username": "x", "password": ["x"]}, "password"),
        ({"username": "x", "password": "x" * 1025}, "password"), ({"username": "x", "password": "x", "z": 1}, "z"),
        ([], "_schema"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_body_is_said_by_field(
    client: FlaskClient, body: Any, field: str
) -> None:
    answer = post(client, "/login", body)
    assert outcome(answer) == (400, -3003)
    assert list(answer.json["error"]["fields"]) == [field]


def test_a_login_is_json(client: FlaskClient) -> None:
    assert outcome(client.post("/api/v1/login", data="username=a&password=b")) == (400, -3002)
    assert outcome(client.post("/api/v1/login", data="{", content_type="application/json")) == (
        400,
        -3001,
    )


# Refreshing


def test_a_refresh_token_gives_a_new_pair_and_is_used_up(client: FlaskClient, login: Login) -> None:
    first = login()
    second = refresh(client, first["refresh_token"]).json["data"]
    assert set(second) == set(first)
    assert second["refresh_token"] != first["refresh_token"]
    assert me(client, second["access_token"]) == (200, 0)
    assert outcome(refresh(client, second["refresh_token"])) == (200, 0)


def test_a_refresh_token_used_twice_ends_its_family_and_no_other(
    client: FlaskClient, login: Login
) -> None:
    first, other = login(), login()
    second = refresh(client, first["refresh_token"]).json["data"]
    assert outcome(refresh(client, first["refresh_token"])) == (401, -2003)
    assert outcome(refresh(client, second["refresh_token"])) == (401, -2003)
    assert me(client, second["access_token"]) == (401, -2003)
    assert me(client, other["access_token"]) == (200, 0)
    assert outcome(refresh(client, other["refresh_token"])) == (200, 0)


def test_of_parallel_refreshes_with_one_token_exactly_one_wins_and_the_family_ends(
    app: Flask, login: Login
) -> None:
    token = login()["refresh_token"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: refresh(app.test_client(), token), range(8)))

    assert sorted(outcome(answer) for answer in answers) == [(200, 0)] + [(401, -2003)] * 7
    winner = next(answer.json["data"] for answer in answers if answer.status_code == 200)
    assert outcome(refresh(app.test_client(), winner["refresh_token"])) == (401, -2003)


def test_an_unknown_refresh_token_is_invalid_and_a_late_one_expired(
    client: FlaskClient, login: Login, clock: FakeClock, settings: Settings
) -> None:
    token = login()["refresh_token"]
    assert outcome(refresh(client, "unknown")) == (401, -2003)
    clock.advance(settings.refresh_token_ttl)
    assert outcome(refresh(client, token)) == (401, -2002)


def test_a_refresh_takes_the_role_that_the_user_has_now(
    app: Flask, client: FlaskClient, login: Login
) -> None:
    token = login("user")["refresh_token"]
    with app.extensions["postern"].database.write_session() as session:
        User.by_username(session, "user").role = "admin"
    new = refresh(client, token).json["data"]["access_token"]
    assert client.get("/admin", headers={"Authorization": f"Bearer {new}"}).status_code == 200


def test_a_deleted_user_refreshes_no_more(app: Flask, client: FlaskClient, login: Login) -> None:
    token = login()["refresh_token"]
    with app.extensions["postern"].database.write_session() as session:
        session.delete(User.by_username(session, "user"))
    assert outcome(refresh(client, token)) == (401, -2003)


def test_refresh_tokens_are_not_in_the_database_as_they_are_and_do_not_pile_up(
    app: Flask, login: Login, clock: FakeClock, settings: Settings
) -> None:
    token = login()["refresh_token"]
    with app.extensions["postern"].database.read_session() as session:
        assert token not in session.scalars(select(RefreshToken.token_hash)).all()
    clock.advance(settings.refresh_token_ttl + 2 * 86400)
    login()
    with app.extensions["postern"].database.read_session() as session:
        assert len(session.scalars(select(RefreshToken)).all()) == 1


# Logging out


def test_a_logout_ends_the_access_token_the_refresh_token_and_those_before_it(
    client: FlaskClient, login: Login
) -> None:
    first = login()
    second = refresh(client, first["refresh_token"]).json["data"]
    answer = post(client, "/logout", token=second["access_token"])
    assert (outcome(answer), answer.json["data"]) == ((200, 0), None)
    assert me(client, second["access_token"]) == (401, -2003)
    assert me(client, first["access_token"]) == (401, -2003)
    assert outcome(refresh(client, second["refresh_token"])) == (401, -2003)


def test_a_logout_ends_this_login_only(client: FlaskClient, login: Login) -> None:
    first, second = login(), login()
    post(client, "/logout", token=first["access_token"])
    assert me(client, second["access_token"]) == (200, 0)
    assert outcome(refresh(client, second["refresh_token"])) == (200, 0)


def test_a_logged_out_token_stays_refused_after_a_restart(
    client: FlaskClient, login: Login, make_app: Callable[[Settings], Flask], settings: Settings
) -> None:
    tokens = login()
    post(client, "/logout", token=tokens["access_token"])
    assert me(make_app(settings).test_client(), tokens["access_token"]) == (401, -2003)


def test_a_logout_takes_a_token(client: FlaskClient) -> None:
    assert outcome(post(client, "/logout")) == (401, -2001)


# Guessing


def test_ten_failures_lock_a_username_out_from_everywhere(
    client: FlaskClient, users: dict[str, int], quick_hash: list[str], clock: FakeClock
) -> None:
    for number in range(10):
        assert outcome(attempt(client, "user", "wrong", f"10.0.1.{number}")) == (401, -2006)
    clock.advance(60)
    locked = attempt(client, "user", PASSWORD, "10.0.2.1")
    assert outcome(locked) == (429, -3008)
    assert {name: text for name, text in locked.headers if name.startswith("RateLimit-")} == {
        "RateLimit-Limit": "10", "RateLimit-Remaining": "0", "RateLimit-Reset": locked.headers["Retry-After"],
    }  # fmt: skip
    assert locked.headers["Retry-After"] == "840"
    assert quick_hash == ["wrong"] * 10
    assert outcome(attempt(client, "admin", PASSWORD, "10.0.2.1")) == (200, 0)
    clock.advance(840)
    assert outcome(attempt(client, "user", PASSWORD, "10.0.2.1")) == (200, 0)


def test_ten_failures_lock_an_address_out_whatever_the_username(
    client: FlaskClient, users: dict[str, int], quick_hash: list[str]
) -> None:
    for number in range(10):
        attempt(client, f"nobody{number}", "wrong")
    assert outcome(attempt(client, "user", PASSWORD)) == (429, -3008)
    assert outcome(attempt(client, "user", PASSWORD, "10.0.0.2")) == (200, 0)


def test_a_locked_out_address_can_lock_nobody_else_out(
    client: FlaskClient, users: dict[str, int], quick_hash: list[str]
) -> None:
    for number in range(10):
        attempt(client, f"nobody{number}", "wrong")
    for _ in range(20):
        attempt(client, "user", "wrong")
    assert outcome(attempt(client, "user", PASSWORD, "10.0.0.2")) == (200, 0)


def test_tries_at_a_locked_out_username_lock_no_address_out(
    client: FlaskClient, users: dict[str, int], quick_hash: list[str]
) -> None:
    for number in range(10):
        attempt(client, "user", "wrong", f"10.0.1.{number}")
    for _ in range(20):
        assert outcome(attempt(client, "user", PASSWORD)) == (429, -3008)
    assert outcome(attempt(client, "admin", PASSWORD)) == (200, 0)


def test_a_right_password_clears_the_usernames_count(
    client: FlaskClient, users: dict[str, int], quick_hash: list[str]
) -> None:
    for round_ in range(3):
        for number in range(9):
            attempt(client, "user", "wrong", f"10.{round_}.0.{number}")
        assert outcome(attempt(client, "user", PASSWORD, "10.9.9.9")) == (200, 0)


def test_an_account_of_ones_own_does_not_clear_the_address(
    client: FlaskClient, users: dict[str, int], quick_hash: list[str]
) -> None:
    for number in range(9):
        attempt(client, f"nobody{number}", "wrong")
        assert outcome(attempt(client, "user", PASSWORD)) == (200, 0)
    attempt(client, "admin", "wrong")
    assert outcome(attempt(client, "admin", PASSWORD)) == (429, -3008)


def test_many_right_logins_from_one_address_lock_nobody_out(
    client: FlaskClient, users: dict[str, int], quick_hash: list[str]
) -> None:
    for _ in range(30):
        assert outcome(attempt(client, "user", PASSWORD)) == (200, 0)


def test_a_burst_in_parallel_gets_no_more_tries(
    app: Flask, users: dict[str, int], quick_hash: list[str]
) -> None:
    with ThreadPoolExecutor(16) as pool:
        codes = list(
            pool.map(lambda _: attempt(app.test_client(), "user", "wrong").status_code, range(50))
        )
    assert (codes.count(401), codes.count(429)) == (10, 40)
    assert len(quick_hash) == 10


def test_a_burst_of_right_passwords_locks_nobody_out(
    app: Flask, users: dict[str, int], quick_hash: list[str]
) -> None:
    with ThreadPoolExecutor(16) as pool:
        codes = list(
            pool.map(lambda _: attempt(app.test_client(), "user", PASSWORD).status_code, range(40))
        )
    assert codes == [200] * 40
