"""The resources in the OpenAPI file: what flask-smorest collected, who may ask, how it may fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flask import Flask

from api.openapi.calls import HEADERS, IDEMPOTENCY_KEY
from api.openapi.components import REPLAYED, SECURITY, TO_EVERYBODY
from api.openapi.failures import AWAY, BODY, UNAUTHENTICATED, UNFORESEEN, Failures, Kind
from schemas.fields import ROLES

#: What an operation may end in beside what follows from its shape.
_OTHER_KINDS: dict[str, set[Kind]] = {
    "login": {(401, -2006), (429, -3008)},
    "refresh": {(401, -2002), (401, -2003)},
    "change_password": {(401, -2006), (429, -3008)},
    "change_user": {(401, -2006), (429, -3008)},
    "download_file": {(412, -3009), (416, -3012)},
    "complete_connection": {
        (400, -3003), (403, -2004), (409, -3006), (422, -1006), (502, -1003), (502, -1005), (502, -1012),
        (504, -1001), (504, -1011),
    },
    "pay_order": {
        (422, -1006), (429, -1009), (429, -3008), (502, -1002), (502, -1003), (502, -1004), (502, -1005), (502, -1012),
        (503, -1007), (503, -1008), (503, -1010), (504, -1001), (504, -1011),
    },
}  # fmt: skip
#: Operations of POST that heed ``If-Match``.
_GUARDED_POSTS = {
    "disable_app", "enable_app", "keep_document", "pay_order", "reduce_stock", "rotate_secret",
}  # fmt: skip
#: Operations that have no ETag, although others of their kind have one.
_UNTAGGED = {"complete_connection", "delete_connection"}
_RANGE = {
    "name": "Range",
    "in": "header",
    "description": "Bytes wanted, such as `bytes=0-1023`.",
    "schema": {"type": "string"},
}
_CALLBACK_QUERY = [
    {"name": name, "in": "query", "description": text, "schema": {"type": "string"}}
    for name, text in (
        ("state", "As the authorization URL had it; good once."),
        ("code", "What the vendor's page gave."),
        ("error", "What it gave in place of a code."),
    )
]


def resource_paths(app: Flask, spec: dict[str, Any], failures: Failures) -> dict[str, Any]:
    """Return the collected paths, each operation finished."""
    for path, verb, view in _views(app):
        operation = spec["paths"].get(path, {}).get(verb)
        if operation is not None:
            _finish(operation, spec["paths"][path], verb, view, failures)
    return dict(spec["paths"])


def _views(app: Flask) -> Iterator[tuple[str, str, Any]]:
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^<>:]+:)?([^<>]+)>", r"{\1}", rule.rule)
        for verb in rule.methods or ():
            yield path, verb.lower(), app.view_functions[rule.endpoint]


def _who_may(roles: tuple[str, ...]) -> str:
    if not roles:
        return TO_EVERYBODY
    if set(roles) == set(ROLES):
        return "Open to every role."
    return f"Takes the role {' or '.join(sorted(roles))}."


def _finish(
    operation: dict[str, Any], item: dict[str, Any], verb: str, view: Any, failures: Failures
) -> None:
    name = operation["operationId"] = view.__name__
    roles = getattr(view, "auth", ())
    operation["security"] = SECURITY if roles else []
    description = operation.get("description", "")
    operation["description"] = f"{description}\n\n{_who_may(roles)}".strip()
    _add_parameters(operation, item, verb, view)
    kinds = _failure_kinds(operation, item, verb, view)
    operation["responses"] = {**_successes(operation, verb, view), **failures.responses(kinds)}
    if _is_conditional(verb, name):
        operation["responses"]["304"] = {"$ref": "#/components/responses/NotModified"}


def _add_parameters(operation: dict[str, Any], item: dict[str, Any], verb: str, view: Any) -> None:
    name = view.__name__
    parameters: list[dict[str, Any]] = []
    if _is_conditional(verb, name):
        parameters.append({"$ref": "#/components/parameters/IfNoneMatch"})
    if _is_guarded(item, verb, name):
        parameters.append({"$ref": "#/components/parameters/IfMatch"})
    if name == "pay_order":
        parameters += HEADERS
    if name == "download_file":
        parameters.append(_RANGE)
    if name == "complete_connection":
        parameters += _CALLBACK_QUERY
    if _is_idempotent(view):
        parameters.append(IDEMPOTENCY_KEY)
    if parameters:
        operation["parameters"] = [*operation.get("parameters", ()), *parameters]


def _is_idempotent(view: Any) -> bool:
    return getattr(view, "idempotent", False)


def _is_conditional(verb: str, name: str) -> bool:
    return verb == "get" and name not in _UNTAGGED


def _is_guarded(item: dict[str, Any], verb: str, name: str) -> bool:
    return name in _GUARDED_POSTS or (
        verb in ("put", "patch", "delete")
        and bool(item.get("parameters"))
        and name not in _UNTAGGED
    )


def _successes(operation: dict[str, Any], verb: str, view: Any) -> dict[str, Any]:
    name = view.__name__
    successes = {
        status: response
        for status, response in operation["responses"].items()
        if status.startswith("2")
    }
    for response in successes.values():
        if _is_idempotent(view):
            response["headers"] = REPLAYED
        if _is_conditional(verb, name):
            response["headers"] = {"ETag": {"$ref": "#/components/headers/ETag"}}
    if not any("content" in response for response in successes.values()):
        successes["200"] = {
            "description": "Done.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Nothing"}}},
        }
    names = {parameter.get("name") for parameter in operation.get("parameters", ())}
    if "skip" in names:  # a list
        successes["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    if name == "download_file":
        successes["206"] = {**successes["200"], "description": "The part that Range asks for."}
    return successes


def _failure_kinds(
    operation: dict[str, Any], item: dict[str, Any], verb: str, view: Any
) -> set[Kind]:
    name = view.__name__
    kinds = {UNFORESEEN, AWAY, (400, -3001)} | _OTHER_KINDS.get(name, set())
    if operation["security"]:
        kinds |= {*UNAUTHENTICATED, (403, -2004)}
    if "requestBody" in operation:
        kinds |= BODY
    if any(parameter.get("in") == "query" for parameter in operation.get("parameters", ())):
        kinds.add((400, -3003))
    if _is_idempotent(view):  # the header may be no key
        kinds.add((400, -3003))
    if item.get("parameters"):
        kinds.add((404, -3004))
    if verb == "get":
        kinds.add((406, -3010))
    elif operation["security"] and name != "logout":
        kinds |= {(409, -3006), (503, -5002)}
    if _is_guarded(item, verb, name):
        kinds.add((412, -3009))
    return kinds
