"""``flask user`` on users whom a server of another process knows, and ``flask audit``."""

from __future__ import annotations

import json
import os
import pwd
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from flask.testing import FlaskClient

from config import Settings
from models import Order, User
from tests.api.conftest import PASSWORD
from tests.clock import FakeClock
from tests.redis_server import RedisServer

Run = Callable[..., Result]
NEW = "another good password"


@pytest.fixture
def run(make_app: Callable[..., Flask], settings: Settings) -> Run:
    """Runs a command in an app of its own, which shares no memory with the server."""

    def invoke(*words: str, **options: Any) -> Result:
        app = make_app(settings, serves=False)
        return app.test_cli_runner().invoke(args=list(words), **options)

    return invoke


@pytest.fixture
def log_in(client: FlaskClient, users: dict[str, int]) -> Callable[..., Any]:
    def attempt(username: str = "user", password: str = PASSWORD) -> Any:
        return client.post("/api/v1/login", json={"username": username, "password": password})

    return attempt


@pytest.fixture
def is_refused_within_a_second(
    client: FlaskClient, clock: FakeClock
) -> Callable[[dict[str, str]], bool]:
    def check(pair: dict[str, str]) -> bool:
        clock.advance(1.0)
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        used = client.get("/me", headers=headers)
        refreshed = client.post(
            "/api/v1/token/refresh", json={"refresh_token": pair["refresh_token"]}
        )
        codes = {(answer.status_code, answer.json["code"]) for answer in (used, refreshed)}
        return codes == {(401, -2003)}

    return check


@pytest.mark.parametrize(
    "words",
    [
        ["reset-password", "user", "--password", NEW],
        ["reset-password", "user", "--random"],
        ["set-role", "user", "guest"],
        ["set-role", "user", "admin"],
        ["disable", "user"],
        ["revoke-tokens", "user"],
        ["delete", "user", "--yes"],
    ],
)
def test_a_command_ends_the_users_logins_in_servers_that_run(
    run: Run, log_in, client, is_refused_within_a_second, words: list[str]
) -> None:
    pair, other = log_in().json["data"], log_in("guest").json["data"]
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert client.get("/me", headers=headers).status_code == 200
    done = run("user", *words)

    assert done.exit_code == 0, done.output
    assert is_refused_within_a_second(pair)
    others = {"Authorization": f"Bearer {other['access_token']}"}
    assert client.get("/me", headers=others).status_code == 200


def test_a_password_is_given_asked_for_or_made_up_and_shown_once(run: Run, log_in) -> None:
    run("user", "reset-password", "user", "--password", NEW)
    assert log_in("user", NEW).status_code == 200
    result = run("user", "reset-password", "user", input="short\nlong enough\nlong enough\n")
    assert result.exit_code == 0, result.output
    assert "8 to 1024 characters" in result.output
    assert "long enough" not in result.output
    assert log_in("user", "long enough").status_code == 200
    random = run("user", "reset-password", "user", "--random")
    password = re.search(r"^password: (\S{16})$", random.output, re.M)[1]
    assert log_in("user", password).status_code == 200
    assert log_in("user", "long enough").status_code == 401


def test_a_disabled_user_is_enabled_again_and_a_role_counts_at_the_next_login(
    run: Run, log_in, client
) -> None:
    assert run("user", "disable", "user").exit_code == 0
    assert log_in().json["code"] == -2006
    assert "disabled already" in run("user", "disable", "user").output
    assert run("user", "enable", "user").exit_code == 0
    assert run("user", "set-role", "user", "admin").exit_code == 0
    headers = {"Authorization": f"Bearer {log_in().json['data']['access_token']}"}
    assert client.get("/admin", headers=headers).status_code == 200
    assert "has the role admin already" in run("user", "set-role", "user", "admin").output


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["disable", "admni"], 1, "there is no user admni; did you mean admin?"),
        (["reset-password", "usr"], 1, "did you mean user?"),
        (["set-role", "user", "root"], 2, "'guest', 'user', 'admin'"),
        (["reset-password", "user", "--password", "short"], 2, "8 to 1024 characters"),
        (["reset-password", "user", "--password", NEW, "--random"], 2, "not both"),
        (["disable", "admin"], 1, "the last admin who can log in"),
        (["set-role", "admin", "user"], 1, "the last admin who can log in"),
        (["delete", "admin", "--yes"], 1, "the last admin who can log in"),
        (["delete", "guest", "--yes"], 1, "flask user disable"),
        (["delete", "user"], 1, "Aborted"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_changed(
    app: Flask, run: Run, users: dict[str, int], words: list[str], code: int, message: str
) -> None:
    database = app.extensions["postern"].database
    with database.write_session() as session:
        session.add(Order(user_id=users["guest"], total=1))
    done = run("user", *words)

    assert (done.exit_code, "Traceback" in done.output) == (code, False), done.output
    assert message in done.output
    with database.read_session() as session:
        remaining = [(user.username, user.role, user.disabled) for user in session.query(User)]
    assert sorted(remaining) == [(name, name, False) for name in ("admin", "guest", "user")]
    assert "[]" in run("audit", "list", "--json").output


def test_a_disabled_admin_is_no_second_one(run: Run, users: dict[str, int]) -> None:
    run("user", "create", "bob", "--role", "admin", "--password", NEW)
    assert run("user", "disable", "bob").exit_code == 0
    assert "last admin" in run("user", "disable", "admin").output
    assert run("user", "delete", "bob", "--yes").exit_code == 0


def test_commands_are_in_the_audit_log_with_the_systems_user_and_machine(
    run: Run, users: dict[str, int]
) -> None:
    run("user", "create", "ann", "--password", NEW)
    run("user", "set-role", "ann", "admin")
    run("app", "create", "shop", "--allow", "maps")
    run("app", "rotate", "shop")
    run("app", "disable", "shop")
    run("secrets", "reseal")
    events = json.loads(run("audit", "list", "--json").output)

    assert [event["action"] for event in events] == [
        "user.create", "user.set_role", "app.create", "app.rotate", "app.disable", "secrets.reseal",
    ]  # fmt: skip
    assert {(event["actor"], event["address"]) for event in events} == {
        (f"cli:{pwd.getpwuid(os.getuid()).pw_name}", socket.gethostname())
    }
    assert events[1]["changed"] == {"role": "admin"}
    assert events[1]["name"] == "ann"
    table = run("audit", "list", "--action", "user.set_role", "--limit", "1").output
    assert table.splitlines()[0].split() == [
        "CREATED_AT", "ACTOR", "ACTION", "OBJECT", "NAME", "CHANGED", "ADDRESS", "REQUEST_ID",
    ]  # fmt: skip
    assert "role=admin" in table.splitlines()[1]
    assert "app.rotate" in run("audit", "list", "--since", "2001-01-01").output
    assert "app.rotate" not in run("audit", "list", "--since", "2999-01-01").output
    for wrong in ("yesterday", "0001-01-01T00:00:00+23:59"):
        assert run("audit", "list", "--since", wrong).exit_code == 2


def test_servers_that_share_a_redis_with_a_command_know_at_once(
    make_app: Callable[..., Flask], settings: Settings, users: dict[str, int], redis_url: str
) -> None:
    shared = replace(settings, redis_url=redis_url)
    server = make_app(shared).test_client()
    body = {"username": "user", "password": PASSWORD}
    pair = server.post("/api/v1/login", json=body).json["data"]
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert server.get("/me", headers=headers).status_code == 200
    runner = make_app(shared, serves=False).test_cli_runner()
    done = runner.invoke(args=["user", "disable", "user"])

    assert (done.exit_code, done.stderr) == (0, "")
    assert server.get("/me", headers=headers).json["code"] == -2003


def test_a_command_is_done_while_redis_is_away_and_says_until_when_tokens_may_count(
    make_app: Callable[..., Flask],
    settings: Settings,
    users: dict[str, int],
    log_in: Callable[..., Any],
    redis_server: RedisServer,
) -> None:
    log_in()  # whose tokens are to be revoked
    redis_server.kill()
    away = make_app(replace(settings, redis_url=redis_server.url), serves=False)
    done = away.test_cli_runner().invoke(args=["user", "disable", "user"])

    assert done.exit_code == 0, done.output
    assert "Redis does not answer" in done.stderr
    assert log_in().json["code"] == -2006
