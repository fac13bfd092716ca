from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g, request
from flask.testing import FlaskClient

from api.auth import role_required, token_required
from api.auth.passwords import hash_password
from api.http.responses import success_response
from app import create_app
from config import Settings
from gateway.catalog import loader
from gateway.masking import Secret
from gateway.sources import file
from models import App, User
from models.database import migrate
from tests.clock import FakeClock
from tests.gateway.fakes import PATIENT

PASSWORD = "correct horse battery"
SECRET = "0123456789abcdef0123456789abcdef"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        port=0,  # so that nothing depends on what else runs on this machine
        jwt_secret=Secret(SECRET),
        database_url=database_url,
        files_dir=str(tmp_path / "files"),
        catalog=str(ROOT / "services.yaml"),
        log_level="error",
    )


def patient(catalog: str) -> str:
    """Return a catalog made from the one that ships, waiting for services as long as ``make_app`` has others wait."""
    for name in ("timeout", "deadline"):
        line = f"  {name}: {json.dumps(PATIENT[name])}"
        catalog, count = re.subn(rf"(?m)^  {name}: .*$", line, catalog)
        assert count == 1
    return catalog


@pytest.fixture
def make_app(
    clock: FakeClock, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Settings], Flask]]:
    """The real app, with the time in the test's hands and two routes that tell who calls.

    Where a catalog does not say how long, it waits for services as no busy machine makes it wait.
    """
    apps: list[Flask] = []
    monkeypatch.setitem(loader.DEFAULTS, "timeout", PATIENT["timeout"])
    monkeypatch.setattr(loader, "DEADLINE_SECONDS", PATIENT["deadline"])
    monkeypatch.setattr(file, "READ_SECONDS", 30.0)

    def make(settings: Settings, *, serves: bool = True) -> Flask:
        if settings.database_url != database_url:  # that one is migrated already
            migrate.upgrade(settings.database_url)
        app = create_app(settings, clock, serves=serves)
        app.add_url_rule("/me", view_func=token_required(_me), methods=["GET", "POST"])
        app.add_url_rule("/admin", "admin", role_required("admin")(_me))
        app.add_url_rule("/write", "write", role_required("user", "admin")(_me), methods=["POST"])
        apps.append(app)
        return app

    yield make
    for app in apps:
        app.extensions["postern"].database.close()
        if "gateway" in vars(app.extensions["postern"]):  # a command may have needed none
            app.extensions["postern"].gateway.close()
        app.extensions["postern"].store.close()


def _me() -> Any:
    caller = {
        "id": g.caller.id,
        "role": g.caller.role,
        "allow": g.caller.allow,
        "body": request.get_data(as_text=True),
    }
    return success_response(caller)


@pytest.fixture
def app(make_app: Callable[[Settings], Flask], settings: Settings) -> Flask:
    return make_app(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="session")
def password_hash() -> str:
    return hash_password(PASSWORD)


@pytest.fixture
def users(app: Flask, password_hash: str) -> dict[str, int]:
    """One of each role, all with the same password: name -> id."""
    with app.extensions["postern"].database.write_session() as session:
        rows = [
            User(username=role, role=role, password_hash=password_hash)
            for role in ("guest", "user", "admin")
        ]
        session.add_all(rows)
        session.flush()
        return {row.username: row.id for row in rows}


@pytest.fixture
def shop(app: Flask) -> str:
    """The secret of an app named shop."""
    secrets = app.extensions["postern.auth"].app_secrets
    secret = secrets.make()
    with app.extensions["postern"].database.write_session() as session:
        session.add(App(app_id="shop", secret=secrets.seal(secret), allow=["wechat.*"]))
    return secret.reveal()


@pytest.fixture
def login(client: FlaskClient, users: dict[str, int]) -> Callable[..., dict[str, Any]]:
    def log_in(username: str = "user") -> dict[str, Any]:
        answer = client.post("/api/v1/login", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        return answer.json["data"]

    return log_in


@pytest.fixture
def tokens(app: Flask, users: dict[str, int]) -> dict[str, dict[str, str]]:
    """Headers by role: ``guest``, ``user``, ``admin``. As a login gives them, without its 25 ms of argon2."""
    issue = app.extensions["postern.auth"].tokens.issue
    return {
        role: {"Authorization": f"Bearer {issue(str(number), role)[0]}"}
        for role, number in users.items()
    }
