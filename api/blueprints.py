"""Every blueprint and handler, in one visible list."""

from __future__ import annotations

from api import error_handlers, health, metrics
from api.auth import views as login
from api.calls import call, catalog, proxy, services, status
from api.calls import records as calls
from api.connections import views as connections
from api.flask_app import App
from api.http import encoding
from api.http.blueprint import CONVERTERS
from api.http.responses import JsonProvider
from api.http.versions import PREFIX
from api.lifecycle import begin_request, finish_response
from api.openapi import OpenApi
from api.pages import console, docs, error_codes
from api.resources import apps, audit, files, orders, payments, products, users
from api.resources import documents as data

#: Those under the version's prefix; of the first, flask-smorest knows the operations.
RESOURCES = (
    login, users, apps, audit, services, connections, status, catalog, calls, products, orders,
    payments, data, files,
)  # fmt: skip
GENERIC = (call, proxy)
UNVERSIONED = (health, console, metrics, docs, error_codes)


def register(app: App) -> None:
    """Give ``app`` its routes, its error envelope and its log line."""
    app.json = JsonProvider(app)
    app.url_map.converters.update(CONVERTERS)
    for module in (*RESOURCES, *GENERIC):
        app.register_blueprint(module.blueprint, url_prefix=PREFIX)
    for module in UNVERSIONED:
        app.register_blueprint(module.blueprint)
    app.extensions["postern.openapi"] = OpenApi(app, [module.blueprint for module in RESOURCES])
    error_handlers.register(app)
    app.before_request(begin_request)
    app.before_request(encoding.check_target)
    app.finish_response = finish_response
