"""``/connections``: services' accounts, for admins; and the way back from a vendor's page."""

from __future__ import annotations

from functools import partial
from html import escape

import sqlalchemy as sa
from flask import Response, g, request

from api.audit import record_act
from api.auth import role_required
from api.connections import flow
from api.context import app_state
from api.http.blueprint import Blueprint, read_query
from api.http.error_response import error_response
from api.http.etags import etag_response
from api.http.responses import success_response
from gateway.errors import GatewayError, NotFound
from models import Act, User
from schemas.connections import AuthorizationOut, ConnectedOut, ConnectionListOut

blueprint = Blueprint(
    "connections", __name__, description="The accounts that services are connected to."
)
_list_schema = ConnectionListOut()
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Postern: {title}</title>
<h1>{title}</h1><p>{text}</p><p>You may close this page.</p></html>
"""


@blueprint.get("/connections")
@role_required("admin")
@blueprint.response(200, ConnectionListOut)
def list_connections() -> Response:
    """Services whose auth is oauth2 by refresh_token or authorization_code, and their accounts."""
    items = flow.describe_connections()
    return etag_response(_list_schema.dump({"items": items, "total": len(items)}))


@blueprint.post("/connections/<service>/authorize")
@role_required("admin")
@blueprint.response(200, AuthorizationOut)
def authorize_connection(service: str) -> flow.PendingConnection:
    """The URL of the vendor's page, for the browser of the admin who connects the account; good once, for ten minutes."""  # noqa: E501  # the summary in the OpenAPI file
    return flow.begin(service, g.caller.id, _caller_name())


@blueprint.get("/oauth/callback")
@blueprint.response(200, ConnectedOut)
def complete_connection() -> Response:
    """Where the vendor's page sends the browser back to: with its state, and a code or an error."""
    if request.method == "HEAD":  # whoever looks ahead at a link uses nothing up
        return _forbid_caching(success_response({}))
    try:
        service = flow.complete(read_query(), request.remote_addr, g.request_id)
    except GatewayError as error:
        return _page(error_response(error), "Not connected", error.message)
    response = success_response({"service": service, "state": "connected"})
    return _page(response, "Connected", f"{service} is connected.")


@blueprint.delete("/connections/<service>")
@role_required("admin")
@blueprint.response(200)
def delete_connection(service: str) -> None:
    """Forget a service's tokens; its calls are refused until it is connected again."""
    note = partial(record_act, act=Act("connection.delete", f"service:{service}"))
    was_connected = app_state().connections.disconnect(service, note)
    services = app_state().gateway.catalog.services
    if not was_connected and service not in services:
        raise NotFound.among(
            f"There is no service {service[:64]}. GET /api/v1/connections lists those to connect.",
            service,
            services,
        )


def _caller_name() -> str:
    """Return the admin's name, as it is now: a row keeps it."""
    user_id = int(g.caller.id.partition(":")[2])
    with app_state().database.read_session() as session:
        return session.scalar(sa.select(User.username).where(User.id == user_id)) or g.caller.id


def _page(response: Response, title: str, text: str) -> Response:
    """Return the answer as a page, where it is a browser that asks."""
    if "text/html" in request.headers.get("Accept", ""):
        response.set_data(PAGE.format(title=escape(title), text=escape(text)))
        response.headers["Content-Type"] = "text/html; charset=utf-8"
    return _forbid_caching(response)


def _forbid_caching(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response
