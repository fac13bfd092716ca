from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient

from config import Settings
from models import AccountConnection, User
from models.connections.vault import ConnectionVault
from sandbox import Sandbox
from sandbox.vendors.oauth import CLIENT_ID, CLIENT_SECRET
from tests.clock import FakeClock
from tests.ports import free_port


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


@dataclass
class Connected:
    """An app with a service ``crm`` at the sandbox, and its admin."""

    app: Flask
    client: FlaskClient
    headers: Mapping[str, Mapping[str, str]]
    clock: FakeClock

    def call(self, **headers: str) -> Any:
        return self.client.get("/api/v1/call/crm/me", headers={**self.headers["admin"], **headers})

    def codes(self, times: int) -> list[int]:
        return [self.call().json["code"] for _ in range(times)]

    def let_tokens_end(self) -> None:
        self.clock.advance(4000)

    @property
    def listed(self) -> dict[str, Any]:
        answer = self.client.get("/api/v1/connections", headers=self.headers["admin"])
        [item] = answer.json["data"]["items"]
        return dict(item)

    @property
    def vault(self) -> ConnectionVault:
        vault: ConnectionVault = self.app.extensions["postern"].connections
        return vault

    @property
    def row(self) -> AccountConnection:
        with self.app.extensions["postern"].database.read_session() as session:
            return session.query(AccountConnection).one()


@pytest.fixture
def connect_app(
    make_app: Any, settings: Settings, box: Sandbox, clock: FakeClock, tmp_path: Path,
    password_hash: str,
) -> Callable[..., Connected]:  # fmt: skip
    """Makes an app whose service has this ``auth``, over the sandbox's usual client."""

    def make(**auth: Any) -> Connected:
        service = {
            "base_url": box.url,
            "allow_private": True,
            "retry": {"times": 0},
            "deadline": 20,
            "auth": {
                "type": "oauth2",
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "token_url": "/oauth2/token",
                **auth,
            },
            "methods": {"me": {"http": "GET /oauth2/me"}},
        }
        file = tmp_path / "connected.yaml"
        file.write_text(yaml.safe_dump({"version": 1, "services": {"crm": service}}))
        own_settings = replace(
            settings,
            catalog=str(file),
            public_url="https://tools.example/p/",
            access_token_ttl=86400,
        )
        app = make_app(own_settings)
        return Connected(app, app.test_client(), _admin_headers(app, password_hash), clock)

    return make


def _admin_headers(app: Flask, password_hash: str) -> dict[str, dict[str, str]]:
    with app.extensions["postern"].database.write_session() as session:
        users = [
            User(username=role, role=role, password_hash=password_hash)
            for role in ("admin", "user")
            if not User.by_username(session, role)
        ]
        session.add_all(users)
    with app.extensions["postern"].database.read_session() as session:
        issue = app.extensions["postern.auth"].tokens.issue
        return {
            user.role: {"Authorization": f"Bearer {issue(str(user.id), user.role)[0]}"}
            for user in session.query(User)
        }
