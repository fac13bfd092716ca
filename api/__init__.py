"""HTTP in: every blueprint and handler, in one visible list."""

from __future__ import annotations

from flask import Flask
from flask_smorest import Api

from api import apps, call, data, errors, health, login, logs, products, services, users
from api.answers import JsonProvider
from api.paths import IdConverter, KeyConverter

PREFIX = "/api/v1"
EXPOSED_HEADERS = ["X-Request-ID", "X-Attempts", "Server-Timing", "Retry-After", "Allow"]


def register(app: Flask) -> None:
    """Give ``app`` its routes, its error envelope and its log line."""
    app.json = JsonProvider(app)
    app.url_map.converters.update(id=IdConverter, key=KeyConverter)
    api = Api(app)  # collects the OpenAPI file; its own error handler gives way to ours
    api.register_converter(IdConverter, lambda _: {"type": "integer"})
    api.register_converter(KeyConverter, lambda _: {"type": "string"})
    for module in (login, users, apps, services, data, products):
        api.register_blueprint(module.blueprint, url_prefix=PREFIX)
    app.register_blueprint(call.blueprint, url_prefix=PREFIX)
    app.register_blueprint(health.blueprint)
    errors.register(app)
    logs.register(app)
