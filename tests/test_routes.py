"""No route is open by oversight."""

from __future__ import annotations

from pathlib import Path

from app import create_app
from config import Settings
from gateway.masking import Secret

PUBLIC = {
    "/api/v1/login",
    "/api/v1/token/refresh",
    "/api/v1/oauth/callback",
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/metrics",
    "/",
    "/console/<name>",
    "/docs",
    "/redoc",
    "/docs/<name>",
    "/docs/errors",
    "/docs/<name>.md",
}


def test_every_route_declares_its_auth_or_stands_on_the_short_public_list(tmp_path: Path) -> None:
    app = create_app(
        Settings(jwt_secret=Secret("x" * 32), database_url=f"sqlite:///{tmp_path / 'x.db'}")
    )

    undeclared = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if not getattr(app.view_functions[rule.endpoint], "auth", None)
    }

    assert undeclared == PUBLIC
