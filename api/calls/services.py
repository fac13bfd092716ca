"""What the caller may call, and how."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flask import Response, g

from api.auth import token_required
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.etags import etag_response
from gateway.catalog.model import Method, Service
from gateway.errors import NotFound
from schemas.calls import ServiceListOut, ServiceOut

blueprint = Blueprint("services", __name__, description="The outside services that may be called.")
_one, _list = ServiceOut(), ServiceListOut()


@blueprint.get("/services")
@token_required
@blueprint.response(200, ServiceListOut)
def list_services() -> Response:
    """Services the caller may call."""
    shown = _shown(app_state().gateway.catalog.services.values())
    return etag_response(_list.dump({"items": shown, "total": len(shown)}))


@blueprint.get("/services/<name>")
@token_required
@blueprint.response(200, ServiceOut)
def get_service(name: str) -> Response:
    """One service."""
    service = app_state().gateway.catalog.services.get(name)
    shown = _shown([service] if service else [])
    if not shown:
        raise NotFound(f"There is no service {name[:64]}.")
    return etag_response(_one.dump(shown[0]))


def allowed_services(
    services: Iterable[Service],
) -> list[tuple[Service, list[Method], tuple[str, ...]]]:
    """Those of which the caller may call something, with the methods and the paths of proxied requests it may."""
    allowed = [
        (
            service,
            list(filter(_may_call, service.methods.values())),
            service.proxy if _may_proxy(service) else (),
        )
        for service in services
    ]
    return [each for each in allowed if each[1] or each[2]]


def _shown(services: Iterable[Service]) -> list[dict[str, Any]]:
    allowed, gateway = allowed_services(services), app_state().gateway
    breakers = gateway.breakers(service for service, _, _ in allowed)
    return [
        {
            "name": service.name,
            "health": gateway.health(service),
            "breaker": breakers[service.name],
            "methods": [_method(method) for method in methods],
            "proxy": list(paths),
        }
        for service, methods, paths in allowed
    ]


def _may_proxy(service: Service) -> bool:
    return any(map(_may_call, service.proxied.values()))


def _may_call(method: Method) -> bool:
    return g.caller.may_call(method.service.name, method.name, method.service.roles)


def _method(method: Method) -> dict[str, Any]:
    params = {
        param.name: {
            **{key.rstrip("_"): value for key, value in param.keywords.items()},
            "in": param.place,
        }
        for param in method.params
    }
    return {"name": method.name, "verb": method.verb, "summary": method.summary, "params": params}
