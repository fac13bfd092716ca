"""The error response that the server sends without the app: to bad requests, and where it fails."""

from __future__ import annotations

import uuid
from http import HTTPStatus

from flask import Flask

from api.context import AppState
from api.errors import describe_error, status_of
from api.http.forwarded import address_of
from api.http.responses import build_envelope
from api.http.security import CSP_HEADER, CSP_NOTHING, SECURITY_HEADERS
from gateway.bodies import dump_json
from gateway.errors import GatewayError


def render_error_response(
    app: Flask, address: str | None, failure: GatewayError, cause: BaseException | None
) -> bytes:
    """Return the whole response, in the envelope; counted, and logged without what was sent.

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
    ]
    headers += [
        ("X-Request-ID", request_id),
        ("X-Postern-Error", failure.type),
        *SECURITY_HEADERS,
        (CSP_HEADER, CSP_NOTHING),
    ]
    if state.settings.cors_origins:
        headers.append(("Vary", "Origin"))
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
    return (
        "\r\n".join([line, *(f"{name}: {value}" for name, value in headers), "", ""]).encode()
        + body
    )
