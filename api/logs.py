"""Request ids end to end, and one JSON line for each request."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import MutableMapping
from typing import Any, BinaryIO

import structlog
from flask import Flask, Response, g, request

from api.context import app_state, unwrap_proxy
from api.metrics import count_request
from gateway.bodies import dump_json
from gateway.masking import Masker, path_shown
from gateway.trace_context import TraceContext

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def configure(level: str, masker: Masker, stream: BinaryIO) -> Any:
    """A logger whose every line is JSON, without any secret that the masker knows.

    :param level: debug, info, warning or error.
    """

    def render(_: Any, __: str, event: MutableMapping[str, Any]) -> bytes:
        return masker.line(dump_json(event))

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
    here, headers = unwrap_proxy(g), unwrap_proxy(request).headers
    asked = headers.get("X-Request-ID", "")
    here.request_id = asked if _REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex
    here.context = TraceContext.from_headers(
        headers.get("traceparent", ""), headers.get("tracestate", "")
    )
    began = time.perf_counter()
    here.elapsed_ms = lambda: (time.perf_counter() - began) * 1000


def _finish(response: Response) -> Response:
    here, asked = unwrap_proxy(g), unwrap_proxy(request)
    response.headers.setdefault(
        "X-Request-ID", here.request_id
    )  # a proxied answer may have its own
    caller, called = here.get("caller"), here.get("called", (None, None))
    elapsed_ms = here.elapsed_ms()
    made = app_state()
    count_request(made.gateway.metrics, asked, response.status_code, elapsed_ms / 1000)
    made.log.info(
        "request",
        request_id=here.request_id,
        trace_id=here.context.trace_id if here.context else None,
        caller=caller.id if caller else None,
        address=asked.remote_addr,
        verb=asked.method,
        path=path_shown(asked.path),
        service=called[0],
        method=called[1],
        status=response.status_code,
        code=here.get("code", 0),
        attempts=len(here.trace.attempts) if "trace" in here else None,
        elapsed_ms=round(elapsed_ms, 1),
    )
    return response
