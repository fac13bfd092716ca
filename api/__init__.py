"""HTTP in: every blueprint and handler, in one visible list."""

from __future__ import annotations

from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from flask_smorest import Api

from api import (
    apps,
    batch,
    call,
    calls,
    console,
    data,
    docs,
    errors,
    files,
    health,
    login,
    logs,
    metrics,
    orders,
    payments,
    products,
    proxy,
    services,
    status,
    users,
    versions,
)  # fmt: skip
from api.answers import JsonProvider
from api.openapi import OpenApi
from api.paths import IdConverter, KeyConverter, RestConverter
from api.versions import PREFIX


def register(app: Flask) -> None:
    """Give ``app`` its routes, its error envelope and its log line."""
    app.json = JsonProvider(app)
    app.url_map.converters.update(id=IdConverter, key=KeyConverter, rest=RestConverter)
    # It collects the OpenAPI file; its own error handler gives way to ours.
    api = Api(app, spec_kwargs={"marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=_schema_name)})
    api.register_converter(IdConverter, lambda _: {"type": "integer"})
    api.register_converter(KeyConverter, lambda _: {"type": "string"})
    for module in (login, users, apps, services, status, calls, products, orders, payments, data, files):
        api.register_blueprint(module.blueprint, url_prefix=PREFIX)
    app.register_blueprint(call.blueprint, url_prefix=PREFIX)
    app.register_blueprint(batch.blueprint, url_prefix=PREFIX)
    app.register_blueprint(proxy.blueprint, url_prefix=PREFIX)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(console.blueprint)
    app.register_blueprint(metrics.blueprint)
    app.register_blueprint(docs.blueprint)
    app.extensions["postern.openapi"] = OpenApi(app, api.spec)
    errors.register(app)
    versions.register(app)
    logs.register(app)


def _schema_name(schema: Any) -> str:
    """A schema's name in the OpenAPI file; the one of a PATCH, which asks for nothing, has its own."""
    name = schema.__name__ if isinstance(schema, type) else type(schema).__name__
    return f"{name.removesuffix('In')}Change" if getattr(schema, "partial", None) is True else name
