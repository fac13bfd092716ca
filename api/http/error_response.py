"""How any error becomes an envelope with its HTTP status. No other code knows a status."""

from __future__ import annotations

import itertools
import math
import uuid
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, request

from api.context import AppState
from api.errors import BrokenBody, CallerSignatureInvalid, MethodNotAllowed, RangeNotSatisfiable
from api.http.forwarded import address_of
from api.http.responses import HeaderPairs, JsonResponse, build_envelope, set_headers
from api.http.security import CSP_HEADER, CSP_NOTHING, SECURITY_HEADERS
from gateway.bodies import dump_json
from gateway.errors import (
    Fields,
    GatewayError,
    QuotaExceeded,
    RateLimited,
    Unavailable,
    VendorCircuitOpen,
    VendorUnhealthy,
)
from schemas.bounded import MAX_PROBLEMS

PROXY_PREFIX = "/api/v1/proxy/"
MAX_NAME_CHARACTERS = 100  # of a field that an answer names
STATUS: Mapping[int, int] = {
    -1001: 504, -1002: 502, -1003: 502, -1004: 502, -1005: 502, -1006: 422, -1007: 503, -1008: 503,
    -1009: 429,
    -1010: 503, -1011: 504, -1012: 502, -1013: 207,
    -2001: 401, -2002: 401, -2003: 401, -2004: 403, -2005: 401, -2006: 401,
    -3001: 400, -3002: 400, -3003: 400, -3004: 404, -3005: 405, -3006: 409, -3007: 413, -3008: 429,
    -3009: 412,
    -3010: 406, -3011: 431, -3012: 416,
    -5000: 500, -5001: 503, -5002: 503,
}  # fmt: skip
#: Where ``api/pages/error_codes.py`` says what a code means and what to do.
DOCS: Mapping[int, str] = {code: f"/docs/errors#{code}" for code in STATUS}


def error_response(error: GatewayError, data: Any = None) -> Response:
    """Return an error's envelope and headers; only a partial failure has ``data``."""
    g.code = error.code
    description = describe_error(error, request.root_path)
    envelope = build_envelope(g.request_id, data, error.code, error.message, description)
    status = status_of(error)
    response = JsonResponse(dump_json(envelope), status)
    set_headers(response.headers, _headers_of(error, status))
    return response


def _headers_of(error: GatewayError, status: int) -> HeaderPairs:
    headers = _retry_headers(error)
    if isinstance(error, MethodNotAllowed):
        headers.append(("Allow", error.allow))
    if request.path.startswith(PROXY_PREFIX):
        headers.append(("X-Postern-Error", error.type))  # or it might be the vendor who says so
    if error.unsafe_to_repeat:
        # Or OpenAI's and Anthropic's SDKs send it up to three times.
        headers.append(("X-Should-Retry", "false"))
    if isinstance(error, BrokenBody):
        headers.append(("Connection", "close"))
    if isinstance(error, RangeNotSatisfiable):
        headers.append(("Content-Range", f"bytes */{error.size}"))
    if status == 401:
        headers.append(("WWW-Authenticate", "Bearer"))  # RFC 9110, 11.6.1
    return headers


def _retry_headers(error: GatewayError) -> HeaderPairs:
    wait = error.retry_after
    if wait is None and isinstance(
        error, QuotaExceeded | VendorCircuitOpen | VendorUnhealthy | Unavailable
    ):
        wait = 1.0  # a vendor need not say when it can be asked again, nor a disk when it has space
    if wait is None:
        return []
    seconds = str(max(1, math.ceil(wait)))
    headers = [("Retry-After", seconds)]
    if isinstance(error, RateLimited) and error.limit is not None:
        headers += [
            ("RateLimit-Limit", str(error.limit)),
            ("RateLimit-Remaining", "0"),
            ("RateLimit-Reset", seconds),
        ]
    return headers


def status_of(error: GatewayError) -> int:
    """Return the HTTP status of an error: its code's, but for a type that shares another's code."""
    if isinstance(error, CallerSignatureInvalid):
        return 401
    return STATUS[error.code]


def describe_error(error: GatewayError, prefix: str = "") -> dict[str, Any]:
    """Return the envelope's ``error``: what kind, whose fault, whether another try makes sense.

    :param prefix: of the path under which the caller sees this service.
    """
    description: dict[str, Any] = {
        "type": error.type,
        "source": error.source,
        "retryable": error.retryable,
        "docs": prefix + DOCS[error.code],
    }
    if error.service:
        description["service"] = error.service
    if error.method:
        description["method"] = error.method
    if error.fields:
        description["fields"], more = _first_fields(error.fields)
        if more:
            description["more"] = more
    if isinstance(error, CallerSignatureInvalid) and error.string_to_sign is not None:
        description["string_to_sign"] = error.string_to_sign
    if error.did_you_mean:
        description["did_you_mean"] = error.did_you_mean
    if error.vendor_code is not None and error.expose_vendor_code:
        description["vendor_code"] = error.vendor_code
    if error.expose_vendor_error and (error.vendor_code or error.vendor_message):
        description["vendor"] = {"code": error.vendor_code, "message": error.vendor_message}
    return description


def _first_fields(fields: Fields) -> tuple[dict[str, Any], int]:
    """Return the first ``MAX_PROBLEMS`` fields, nested ones too, and the number of others."""
    problems = _problems(fields, ())
    tree: dict[str, Any] = {}
    for path, problem in itertools.islice(problems, MAX_PROBLEMS):
        branch = tree
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = problem
    if any(isinstance(problem, dict) for problem in fields.values()):
        return tree, sum(1 for _ in problems)
    return tree, max(0, len(fields) - MAX_PROBLEMS)


def _problems(fields: Fields, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, problem in fields.items():
        text = str(name)
        if len(text) > MAX_NAME_CHARACTERS:
            text = text[:MAX_NAME_CHARACTERS] + "…"
        inner_path = (*path, text)
        if isinstance(problem, dict):
            yield from _problems(problem, inner_path)
        else:
            yield inner_path, problem


def render_error_response(
    app: Flask, address: str | None, failure: GatewayError, cause: BaseException | None
) -> bytes:
    """Return the whole response that the server sends without the app: to a bad request, and
    where it fails; counted, and logged without what was sent.

    :param address: of the sender.
    :param cause: the exception, if the fault is ours.
    """
    state = AppState.of(app)
    status = status_of(failure)
    request_id = uuid.uuid4().hex
    body = dump_json(
        build_envelope(request_id, None, failure.code, failure.message, describe_error(failure))
    )
    if cause:
        state.log.error("unforeseen", request_id=request_id, exc_info=cause)
    client = address_of(address or "")
    state.log.info(
        "request", request_id=request_id, address=client, status=status, code=failure.code
    )
    state.gateway.metrics.request_counter("none", "other", status)(0.0)
    headers = [
        ("Connection", "close"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("X-Request-ID", request_id),
        ("X-Postern-Error", failure.type),
        *SECURITY_HEADERS,
        (CSP_HEADER, CSP_NOTHING),
    ]
    if state.settings.cors_origins:
        headers.append(("Vary", "Origin"))
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode() + body
