"""``flask user``, ``flask app``, ``flask db``, ``flask init``."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from app import create_app
from config import Settings
from gateway.masking import Secret
from models import App, User
from models.database import migrate
from tests.ports import free_port

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask) -> Run:
    return lambda *words, **options: app.test_cli_runner().invoke(args=list(words), **options)


def one_user(app: Flask, name: str) -> User | None:
    with app.extensions["postern"].database.read_session() as session:
        return User.by_username(session, name)


def can_log_in(app: Flask, name: str, password: str) -> bool:
    body = {"username": name, "password": password}
    return app.test_client().post("/api/v1/login", json=body).status_code == 200


def test_a_user_is_made_who_can_log_in(app: Flask, run: Run) -> None:
    done = run("user", "create", "ann", "--role", "admin", "--password", "long enough")
    assert done.exit_code == 0, done.output
    assert one_user(app, "ann").role == "admin"
    assert can_log_in(app, "ann", "long enough")


def test_a_password_that_is_not_given_is_asked_for_twice_and_not_shown(
    app: Flask, run: Run
) -> None:
    done = run("user", "create", "ann", input="long enough\nlong enough\n")
    assert done.exit_code == 0, done.output
    assert "long enough" not in done.output
    assert one_user(app, "ann").role == "user"
    assert can_log_in(app, "ann", "long enough")
    assert run("user", "create", "bob", input="long enough\nsomething else\n").exit_code == 1
    assert one_user(app, "bob") is None


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["user", "create", "ann", "--password", "long enough"], 1, "there is a user ann already"),
        (["user", "create", "bob", "--password", "short"], 2, "8 to 1024 characters"),
        (["user", "create", "bob", "--password", "long enough", "--role", "root"], 2, "guest"),
        (["user", "create", "", "--password", "long enough"], 2, "between 1 and 150"),
        (["app", "create", "shop", "--allow", "maps"], 1, "there is an app shop already"),
        (["app", "create", "a shop", "--allow", "maps"], 2, "1 to 64 letters"),
        (["app", "create", "shop2"], 2, "--allow"),
        (["app", "create", "shop2", "--allow", "a.b.c"], 2, "service.method"),
        (["app", "create", "shop2", "--allow", "a, b"], 2, "times: --allow 'a' --allow 'b'"),
        (["app", "set", "shop", "--allow", "a,b"], 2, "times: --allow 'a' --allow 'b'"),
        (["app", "create", "shop2", "--allow", "maps", "--rate", "often"], 2, "100/minute"),
        (["db", "upgrade", "9999"], 1, "9999"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(
    run: Run, words: list[str], code: int, message: str
) -> None:
    run("user", "create", "ann", "--password", "long enough")
    run("app", "create", "shop", "--allow", "maps")
    done = run(*words)
    assert done.exit_code == code
    assert message in done.output
    assert "Traceback" not in done.output


def test_an_app_is_made_and_its_secret_shown_once(app: Flask, run: Run) -> None:
    done = run(
        "app", "create", "shop", "--allow", "wechat.*", "--allow", "maps", "--rate", "100/minute"
    )
    assert done.exit_code == 0, done.output
    secret = re.search(r"^secret: (\S{43})$", done.output, re.M)[1]
    with app.extensions["postern"].database.read_session() as session:
        stored = App.by_app_id(session, "shop")
    assert (stored.allow, stored.rate, stored.disabled) == (
        ["wechat.*", "maps"],
        "100/minute",
        False,
    )
    assert app.extensions["postern.auth"].app_secrets.unseal(stored.secret) == Secret(secret)


def test_without_tables_the_way_to_them_is_said(settings: Settings) -> None:
    done = (
        create_app(settings)
        .test_cli_runner()
        .invoke(args=["user", "create", "ann", "--password", "long enough"])
    )
    assert done.exit_code == 1
    assert "flask db upgrade" in done.output
    assert "Traceback" not in done.output


@pytest.mark.parametrize(
    "words",
    [
        ["db", "current"],
        ["db", "upgrade"],
        ["db", "downgrade", "base"],
        ["db", "revision", "x"],
        ["user", "list"],
        ["backup", "never.tar"],
    ],
)
def test_a_database_that_is_away_is_told_in_a_line(settings: Settings, words: list[str]) -> None:
    away = replace(settings, database_url="postgresql://postern:never-told@127.0.0.1:1/postern")
    done = create_app(away).test_cli_runner().invoke(args=words)
    assert (done.stdout, done.exit_code) == ("", 1)
    assert done.stderr.startswith("Error: the database cannot be used (")
    assert done.stderr.count("\n") == 1
    assert "never-told" not in done.stderr
    assert "flask db upgrade" not in done.stderr


def test_a_version_of_a_database_that_is_behind_is_not_written(settings: Settings) -> None:
    done = create_app(settings).test_cli_runner().invoke(args=["db", "revision", "x"])
    assert done.exit_code == 1
    assert "Target database is not up to date" in done.stderr


def test_the_database_goes_up_and_down(settings: Settings) -> None:
    runner = create_app(settings).test_cli_runner()
    newest = max(
        file.name for file in (Path(__file__).parents[2] / "migrations" / "versions").glob("*.py")
    )[:4]
    assert runner.invoke(args=["db", "current"]).output == "empty\n"
    assert runner.invoke(args=["db", "upgrade"]).exit_code == 0
    assert runner.invoke(args=["db", "current"]).output == f"{newest}\n"
    assert runner.invoke(args=["db", "downgrade", "base"]).exit_code == 0
    assert migrate.current_revision(settings.database_url) is None


def test_init_makes_tables_and_an_admin_and_says_how_to_log_in(settings: Settings) -> None:
    port = free_port()
    app = create_app(replace(settings, port=port))
    done = app.test_cli_runner().invoke(args=["init"])
    assert done.exit_code == 0, done.output
    curl = shlex.split(re.search(r"^\s*(curl .*)$", done.output, re.M)[1])
    assert f"http://127.0.0.1:{port}/api/v1/login" in curl
    body: dict[str, Any] = json.loads(curl[curl.index("-d") + 1])
    assert can_log_in(app, body["username"], body["password"])
    assert one_user(app, "admin").role == "admin"


def test_init_again_changes_nothing(settings: Settings) -> None:
    app = create_app(settings)
    app.test_cli_runner().invoke(args=["init"])
    done = app.test_cli_runner().invoke(args=["init"])
    assert done.exit_code == 0
    assert "curl" not in done.output
    with app.extensions["postern"].database.read_session() as session:
        assert session.scalar(select(func.count()).select_from(User)) == 1


def test_init_is_refused_in_production(settings: Settings) -> None:
    done = create_app(replace(settings, env="production")).test_cli_runner().invoke(args=["init"])
    assert done.exit_code == 1
    assert "flask user create" in done.output


def test_an_app_is_made_beside_a_wrong_catalog(settings: Settings, tmp_path: Path) -> None:
    migrate.upgrade(settings.database_url)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("services: {}\n")
    app = create_app(replace(settings, catalog=str(wrong)), serves=False)
    made = app.test_cli_runner().invoke(args=["app", "create", "shop", "--allow", "maps"])
    assert (made.exit_code, "secret: " in made.stdout) == (0, True), made.output
    assert "warning: there is no good catalog; a server that runs goes on with its" in made.stderr
    assert "version: missing" in made.stderr


def test_an_app_is_changed_disabled_enabled_rotated_and_deleted(app: Flask, run: Run) -> None:
    run("app", "create", "shop", "--allow", "maps")

    def stored() -> App | None:
        with app.extensions["postern"].database.read_session() as session:
            return App.by_app_id(session, "shop")

    changed = run("app", "set", "shop", "--allow", "wechta.*", "--rate", "5/day")
    assert changed.exit_code == 0, changed.output
    assert "wechta.* names nothing in the catalog" in changed.stderr
    assert (stored().allow, stored().rate) == (["wechta.*"], "5/day")
    assert run("app", "disable", "shop").exit_code == 0
    assert stored().disabled
    assert "enable it first" in run("app", "rotate", "shop").output
    assert run("app", "enable", "shop").exit_code == 0
    rotated = run("app", "rotate", "shop")
    secret = re.search(r"^secret: (\S{43})$", rotated.output, re.M)[1]
    unseal = app.extensions["postern.auth"].app_secrets.unseal
    assert unseal(stored().secret) == Secret(secret)
    assert "did you mean shop?" in run("app", "enable", "shopp").output
    assert run("app", "set", "shop").exit_code == 2
    assert run("app", "delete", "shop", "--yes").exit_code == 0
    assert stored() is None


def test_secrets_are_counted_by_their_key_and_sealed_anew(
    app: Flask, run: Run, settings: Settings
) -> None:
    run("app", "create", "shop", "--allow", "maps")
    key = Secret("a key for secrets, 32 bytes or more")

    def with_key(*words: str, **changes: Any) -> Result:
        return create_app(replace(settings, **changes)).test_cli_runner().invoke(args=words)

    assert "1 sealed with the current key" in run("secrets", "status").output
    assert "1 sealed with an older key" in with_key("secrets", "status", secrets_key=key).output
    assert "of 1 app " in with_key("secrets", "reseal", secrets_key=key).output
    assert "of 0 apps" in with_key("secrets", "reseal", secrets_key=key).output
    lost = run("secrets", "status")
    assert lost.exit_code == 1
    assert "lost: shop" in lost.output
