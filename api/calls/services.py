"""The services that the caller may call, their methods and parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Response, g

from api.auth import token_required
from api.calls.form_params import takes_form
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.etags import etag_response
from gateway.catalog.model import Method, Service, kind_of
from gateway.errors import NotFound
from schemas.calls import ServiceListOut, ServiceOut

blueprint = Blueprint("services", __name__, description="The outside services that may be called.")
_service_schema = ServiceOut()
_list_schema = ServiceListOut()


@blueprint.get("/services")
@token_required
@blueprint.response(200, ServiceListOut)
def list_services() -> Response:
    """Services the caller may call."""
    items = _describe(app_state().gateway.catalog.services.values())
    return etag_response(_list_schema.dump({"items": items, "total": len(items)}))


@blueprint.get("/services/<name>")
@token_required
@blueprint.response(200, ServiceOut)
def get_service(name: str) -> Response:
    """One service."""
    service = app_state().gateway.catalog.services.get(name)
    items = _describe([service]) if service else []
    if not items:
        allowed = allowed_services(app_state().gateway.catalog.services.values())
        names = [service.name for service, _, _ in allowed]
        raise NotFound.among(
            f"There is no service {name[:64]}. GET /api/v1/services lists those that you may call.",
            name,
            names,
        )
    return etag_response(_service_schema.dump(items[0]))


def allowed_services(
    services: Iterable[Service],
) -> list[tuple[Service, list[Method], tuple[str, ...]]]:
    """Return the services of which the caller may call something, with those methods and paths."""
    allowed = []
    for service in services:
        methods = list(filter(_may_call, service.methods.values()))
        paths = service.proxy if any(map(_may_call, service.proxied.values())) else ()
        if methods or paths:
            allowed.append((service, methods, paths))
    return allowed


def _describe(services: Iterable[Service]) -> list[dict[str, Any]]:
    allowed = allowed_services(services)
    gateway = app_state().gateway
    breakers = gateway.breakers(service for service, _, _ in allowed)
    return [
        {
            "name": service.name,
            "health": gateway.health(service),
            "breaker": breakers[service.name],
            "instances": gateway.instances(service),
            "methods": [_describe_method(method) for method in methods],
            "proxy": list(paths),
        }
        for service, methods, paths in allowed
    ]


def _may_call(method: Method) -> bool:
    return g.caller.may_call(method.service.name, method.name, method.service.roles)


def _describe_method(method: Method) -> dict[str, Any]:
    params = {
        param.name: {
            **{key.rstrip("_"): value for key, value in param.keywords.items()},
            "in": param.place,
        }
        for param in method.params
    }
    return {
        "name": method.name,
        "verb": method.verb,
        "summary": method.summary,
        "params": params,
        "returns": method.returns,
        "response_headers": list(method.response_headers),
        "paginates": method.paginate is not None,
        "upload": _upload(method),
    }


def _upload(method: Method) -> str | None:
    """Return how a call may send files: parameters and files as one form, or streamed."""
    if takes_form(method):
        return "form"
    if not method.streams_body:
        return None
    return "multipart" if kind_of(method.body) == "multipart" else "raw"
