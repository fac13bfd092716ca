"""What operations share in the OpenAPI file: proofs of who calls, headers, answers to calls."""

from __future__ import annotations

from typing import Any

from api.http.versions import PREFIX
from api.openapi.calls import (
    ANY_ANSWER,
    BATCH,
    CALL,
    HEADER_REFS,
    HEADERS,
    PAGINATE,
    RESPONSE,
    SEVERAL,
)
from api.openapi.failures import AWAY, BODY, Failures
from schemas.calls import ALL_PAGES

_KINDS_OF_SOME_SERVICES = ((502, -1002), (503, -1008), (503, -1010))
INFO = {
    "title": "Postern",
    "version": "v1",
    "summary": "The single way out to every outside API a team uses, in one answer shape.",
    "description": (
        "Every JSON answer is `{code, message, data, request_id, timestamp}`; `code` is 0, or negative for a failure, "
        "which also has `error`: its type, whose fault it is (`caller`, `gateway` or `downstream`) and whether another "
        "try makes sense.\n\nLog in with `POST /api/v1/login`, then press Authorize and paste the `access_token`.\n\n"
        "What this file cannot say: `ANY /api/v1/proxy/<service>/<path>` passes a vendor's own requests on as they are."
    ),
    "license": {"name": "MIT", "identifier": "MIT"},
}
#: By the name of the scheme: the header, and what it says.
_APP = {
    "appId": (
        "X-App-Id", "The app's id; together with the other three `X-` headers, which sign one request.",
    ),
    "appTimestamp": ("X-Timestamp", "Unix seconds."),
    "appNonce": ("X-Nonce", "8 to 64 characters, each time others."),
    "appSignature": (
        "X-Signature",
        "Lower-case hex of HMAC-SHA256 with the app's secret over METHOD, PATH_WITH_QUERY, TIMESTAMP, NONCE and the "
        "hex SHA-256 of the body, each but the last followed by a line end.",
    ),
}  # fmt: skip
SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The `access_token` of `/api/v1/login`.",
    },
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Postern-Token",
        "description": "The same token, where `Authorization` is wanted for something else.",
    },
    **{
        name: {"type": "apiKey", "in": "header", "name": header, "description": description}
        for name, (header, description) in _APP.items()
    },
}
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"token": []}, {name: [] for name in _APP}]


def _header(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": description, "schema": schema}


PARAMETERS = {
    "RequestTimeout": _header(
        "X-Request-Timeout",
        "Seconds; lowers the call's deadline.",
        {"type": "number", "exclusiveMinimum": 0},
    ),
    "IdempotencyKey": _header(
        "Idempotency-Key",
        "It is done once; the first answer is kept for 24 hours and given again.",
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    ),
    "Paginate": _header(
        "X-Paginate",
        "Gathers the list's pages into one answer, within the call's deadline.",
        {"type": "string", "enum": [ALL_PAGES]},
    ),
    "IfMatch": _header("If-Match", "Write only if the ETag is still this one.", {"type": "string"}),
    "IfNoneMatch": _header(
        "If-None-Match", "304 if the ETag is still this one.", {"type": "string"}
    ),
}


def _response_header(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "schema": schema}


RESPONSE_HEADERS = {
    "Attempts": _response_header("How often it was sent.", type="integer"),
    "Cache": _response_header("Where the answer may be kept.", enum=["HIT", "MISS", "STALE"]),
    "ContentRange": _response_header("The size of the whole, as in `bytes */1024`.", type="string"),
    "ETag": _response_header("This version of the answer.", type="string"),
    "Fallback": _response_header("Who answered instead of the service.", type="string"),
    "Replayed": _response_header("`true`: the first answer of this key.", enum=["true"]),
    "RetryAfter": _response_header("Seconds until another try makes sense.", type="integer"),
    "ServerTiming": _response_header(
        "Milliseconds in all, and waiting for the service.", type="string"
    ),
}


def success(data: dict[str, Any], codes: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the success envelope around the schema of ``data``."""
    properties = {
        "code": codes or {"const": 0},
        "message": {"type": "string"},
        "data": data,
        "request_id": {"type": "string"},
        "timestamp": {"type": "string", "format": "date-time"},
    }
    return {"type": "object", "required": list(properties), "properties": properties}


NEXT = {
    "type": ["object", "null"],
    "description": "Of a list with pages (`paginate`): the next page's parameters, to be sent as they"
    " are; null after the last.",
}
ANY_DATA = {"description": "What the service answered, out of its own envelope."}
_OUTCOMES = {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Outcome"}}
SCHEMAS: dict[str, Any] = {
    ANY_ANSWER: success(ANY_DATA),
    "Outcome": {
        "type": "object",
        "description": "One call's own envelope.",
        "required": ["code", "message", "data", "elapsed_ms"],
        "properties": {
            "code": {"type": "integer"},
            "message": {"type": "string"},
            "data": {},
            "headers": {
                "type": "object",
                "description": "Of the service, those that the method's `response_headers` names.",
                "additionalProperties": {"type": "string"},
            },
            "next": NEXT,
            "error": {"$ref": "#/components/schemas/Error"},
            "elapsed_ms": {"type": "number"},
        },
    },
    "Together": success(_OUTCOMES),
    "Partial": success(_OUTCOMES, {"const": -1013}),
}
REPLAYED = {"Idempotency-Replayed": {"$ref": "#/components/headers/Replayed"}}


def response(description: str, schema: str, **more: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"description": description, "content": content, **more}


RESPONSES = {
    "Answer": response("The service's answer.", ANY_ANSWER, headers=HEADER_REFS),
    "Together": response(
        "Each call's own envelope; none failed that is not optional.", "Together", headers=REPLAYED
    ),
    "Partial": response(
        "partial_failure (-1013): some calls failed that are not optional.",
        "Partial",
        headers=REPLAYED,
    ),
    "NotModified": {"description": "The ETag is still the one of If-None-Match."},
}


_STATE_SCHEMA = success({"type": "object", "additionalProperties": {"type": "string"}})
_STATE = {"application/json": {"schema": _STATE_SCHEMA}}
_TEXT = {"text/plain": {"schema": {"type": "string"}}}
TO_EVERYBODY = "Open to everybody, without a token."


def plain_paths(failures: Failures) -> dict[str, Any]:
    """Return the operations of probes and metrics, which take no token."""
    healthz = _state_operation("healthz", "The process answers")
    readyz = _state_operation("readyz", "It has database, cache and catalog")
    metrics = _state_operation("metrics", "What all workers counted, for Prometheus", content=_TEXT)
    metrics["description"] = "Open to loopback and the networks of METRICS_ALLOW."
    healthz["responses"] |= failures.responses({(400, -3001)})
    readyz["responses"] |= failures.responses({(400, -3001), AWAY})
    metrics["responses"] |= failures.responses({(400, -3001), (403, -2004)})
    return {
        "/healthz": {"get": healthz},
        "/readyz": {"get": readyz},
        "/metrics": {"get": metrics},
    }


def _state_operation(name: str, summary: str, content: Any = _STATE) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "description": TO_EVERYBODY,
        "tags": ["state"],
        "security": [],
        "responses": {"200": {"description": "As it is now.", "content": content}},
    }


_CALL_EXAMPLE = {
    "service": "wechat",
    "method": "send_msg",
    "params": {"touser": "o6_bmjrPTlm6", "text": "hello"},
}
_BATCH_EXAMPLE = {"calls": [{"id": "first", **_CALL_EXAMPLE, "optional": True}]}


def _json_body(schema: str, example: dict[str, Any]) -> dict[str, Any]:
    media_type = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"required": True, "content": {"application/json": media_type}}


def call_operation(failures: Failures) -> dict[str, Any]:
    """Describe ``POST /call``, which names service and method in its body."""
    return {
        "post": {
            "operationId": "call",
            "summary": "Call any method",
            "description": f"The same call as `POST {PREFIX}/call/<service>/<method>` with `params` as the body.",
            "tags": ["calls"],
            "parameters": [*HEADERS, PAGINATE],
            "requestBody": _json_body("Call", _CALL_EXAMPLE),
            "responses": {
                "200": RESPONSE,
                **failures.responses(CALL | BODY | {(404, -3004), *_KINDS_OF_SOME_SERVICES}),
            },
        }
    }


def batch_operation(failures: Failures) -> dict[str, Any]:
    """Describe ``POST /batch``."""
    return {
        "post": {
            "operationId": "batch",
            "summary": "Several calls side by side, at most 20",
            "description": "Each has its own envelope; one that fails leaves the others alone.",
            "tags": ["calls"],
            "parameters": HEADERS,
            "requestBody": _json_body("Batch", _BATCH_EXAMPLE),
            "responses": {**SEVERAL, **failures.responses(BATCH | BODY)},
        }
    }
