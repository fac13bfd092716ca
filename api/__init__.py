"""HTTP in: every blueprint and handler, in one visible list."""

from __future__ import annotations

from flask import Flask
from flask_smorest import Api

from api import call, errors, health, login, logs, orders, payments, products, services
from api.answers import JsonProvider
from api.paths import IdConverter

PREFIX = "/api/v1"
EXPOSED_HEADERS = ["X-Request-ID", "X-Attempts", "Server-Timing", "Retry-After", "Allow"]


def register(app: Flask) -> None:
    """Give ``app`` its routes, its error envelope and its log line."""
    app.json = JsonProvider(app)
    app.url_map.converters["id"] = IdConverter
    api = Api(app)  # collects the OpenAPI file; its own error handler gives way to ours
    api.register_converter(IdConverter, lambda _: {"type": "integer"})
    for module in (login, services, products, orders, payments):
        api.register_blueprint(module.blueprint, url_prefix=PREFIX)
    app.register_blueprint(call.blueprint, url_prefix=PREFIX)
    app.register_blueprint(health.blueprint)
    errors.register(app)
    logs.register(app)
