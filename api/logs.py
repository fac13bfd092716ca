"""Request ids end to end, and one JSON line for each request."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import MutableMapping
from typing import Any, BinaryIO

import structlog
from flask import Flask, Response

from api.context import app_state, current_request, request_globals
from api.metrics import count_request
from gateway.bodies import dump_json
from gateway.masking import Masker, mask_path
from gateway.trace_context import TraceContext

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def configure(level: str, masker: Masker, stream: BinaryIO) -> Any:
    """Return a logger whose every line is JSON, without any secret that the masker knows.

    :param level: debug, info, warning or error.
    """

    def render(_: Any, __: str, event: MutableMapping[str, Any]) -> bytes:
        return masker.mask_line(dump_json(event))

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.BytesLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    return structlog.get_logger()


def register(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_finish)


def _begin() -> None:
    state = request_globals()
    state.began = time.perf_counter()
    get = current_request().environ.get
    request_id = get("HTTP_X_REQUEST_ID", "")
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = uuid.uuid4().hex
    state.request_id = request_id
    if parent := get("HTTP_TRACEPARENT"):
        state.trace_context = TraceContext.from_headers(parent, get("HTTP_TRACESTATE", ""))


def _finish(response: Response) -> Response:
    """Tell the request's id, count the request and write its line."""
    state = request_globals()
    incoming = current_request()
    # A proxied answer may have its own.
    response.headers.setdefault("X-Request-ID", state.request_id)
    service, method = state.called
    elapsed_ms = state.elapsed_ms()
    app = app_state()
    count_request(app.gateway.metrics, incoming, response.status_code, elapsed_ms / 1000)
    app.log.info(
        "request",
        request_id=state.request_id,
        trace_id=state.trace_context and state.trace_context.trace_id,
        caller=state.caller and state.caller.id,
        address=incoming.remote_addr,
        verb=incoming.method,
        path=mask_path(incoming.path),
        service=service,
        method=method,
        status=response.status_code,
        code=state.code,
        attempts=state.trace and len(state.trace.attempts),
        elapsed_ms=round(elapsed_ms, 1),
    )
    return response
