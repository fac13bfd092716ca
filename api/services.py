"""What the caller may call, and how."""

from __future__ import annotations

from typing import Any

from flask import Response, g

from api.auth import token_required
from api.blueprint import Blueprint
from api.conditional import answer
from api.parts import parts
from gateway.catalog import Method, Service
from gateway.errors import NotFound
from schemas.services import ServiceListOut, ServiceOut

blueprint = Blueprint("services", __name__, description="The outside services that may be called.")
_one, _list = ServiceOut(), ServiceListOut()


@blueprint.get("/services")
@token_required
@blueprint.response(200, ServiceListOut)
def list_services() -> Response:
    """Services the caller may call."""
    shown = [each for service in parts().gateway.catalog.services.values() if (each := _shown(service))["methods"]]
    return answer(_list.dump({"items": shown, "total": len(shown)}))


@blueprint.get("/services/<name>")
@token_required
@blueprint.response(200, ServiceOut)
def get_service(name: str) -> Response:
    """One service."""
    service = parts().gateway.catalog.services.get(name)
    if service is None or not (shown := _shown(service))["methods"]:
        raise NotFound(f"There is no service {name[:64]}.")
    return answer(_one.dump(shown))


def _shown(service: Service) -> dict[str, Any]:
    methods = [method for method in service.methods.values() if _may_call(method)]
    return {
        "name": service.name,
        "health": parts().gateway.health(service),
        "breaker": parts().gateway.breaker(service),
        "methods": [_method(m) for m in methods],
    }


def _may_call(method: Method) -> bool:
    return g.caller.may_call(method.service.name, method.name, method.service.roles)


def _method(method: Method) -> dict[str, Any]:
    params = {
        param.name: {**{key.rstrip("_"): value for key, value in param.keywords.items()}, "in": param.place}
        for param in method.params
    }
    return {"name": method.name, "verb": method.verb, "summary": method.summary, "params": params}
