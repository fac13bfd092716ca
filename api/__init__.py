"""HTTP in: every blueprint and handler, in one visible list."""

from __future__ import annotations

from flask import Flask

from api import (
    apps,
    batch,
    call,
    calls,
    console,
    data,
    docs,
    encoding,
    error_handlers,
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
from api.paths import CONVERTERS
from api.versions import PREFIX

#: Those under the version's prefix; of the first, flask-smorest knows the operations.
RESOURCES = (login, users, apps, services, status, calls, products, orders, payments, data, files)
GENERIC = (call, batch, proxy)
UNVERSIONED = (health, console, metrics, docs)


def register(app: Flask) -> None:
    """Give ``app`` its routes, its error envelope and its log line."""
    app.json = JsonProvider(app)
    app.url_map.converters.update(CONVERTERS)
    for module in (*RESOURCES, *GENERIC):
        app.register_blueprint(module.blueprint, url_prefix=PREFIX)
    for module in UNVERSIONED:
        app.register_blueprint(module.blueprint)
    app.extensions["postern.openapi"] = OpenApi(app, [module.blueprint for module in RESOURCES])
    error_handlers.register(app)
    versions.register(app)
    logs.register(app)
    app.before_request(encoding.check_target)
