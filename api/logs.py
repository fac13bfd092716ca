"""Request ids end to end, and one JSON line for each request."""

from __future__ import annotations

import re
import sys
import time
import traceback
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, BinaryIO

from flask import Flask, Response

from api.context import app_state, current_request, request_globals
from api.http.responses import JsonResponse
from api.metrics import count_request
from gateway.bodies import dump_json
from gateway.masking import Masker, mask_path
from gateway.trace_context import TraceContext

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


LEVELS = ("debug", "info", "warning", "error")


class JsonLog:
    """A logger whose every line is JSON, without any secret that the masker knows.

    ``log.info("event", key=value)`` writes ``{"key": value, "event": "event", "level": ...,
    "timestamp": ...}``.

    :param level: one of ``LEVELS``; what is below it is not written.
    :param stream: each line is one ``write``, which other threads' lines do not cut.
    """

    def __init__(self, level: str, masker: Masker, stream: BinaryIO) -> None:
        self._mask_line = masker.mask_line
        self._stream = stream
        silent = LEVELS[: LEVELS.index(level)]
        for name in LEVELS:
            write = _ignore if name in silent else partial(self._write, name)
            setattr(self, name, write)

    debug: Callable[..., None]
    info: Callable[..., None]
    warning: Callable[..., None]
    error: Callable[..., None]

    def _write(self, level: str, event: str, /, **fields: Any) -> None:
        """
        :param fields: the line's keys; ``exc_info`` is an exception, or ``sys.exc_info()``.
        """
        if "exc_info" in fields and (error := fields.pop("exc_info")):
            fields["exception"] = _format_exception(error)
        fields["event"] = event
        fields["level"] = level
        fields["timestamp"] = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self._stream.write(self._mask_line(dump_json(fields)) + b"\n")
        self._stream.flush()


def _ignore(event: str, /, **fields: Any) -> None:
    """Write nothing."""


def _format_exception(error: Any) -> str:
    if isinstance(error, BaseException):
        lines = traceback.format_exception(error)
    elif isinstance(error, tuple):
        lines = traceback.format_exception(*error)
    else:
        lines = traceback.format_exception(*sys.exc_info())
    return "".join(lines).rstrip("\n")


_logs: list[JsonLog] = []


def configure(level: str, masker: Masker, stream: BinaryIO) -> JsonLog:
    """Return a new log, which ``current_log`` gives from here on.

    :param level: debug, info, warning or error.
    """
    _logs[:] = [JsonLog(level.lower(), masker, stream)]
    return _logs[0]


def current_log() -> JsonLog:
    """Return the log of this process, for the server, which knows of no app."""
    return _logs[0]


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
    if isinstance(response, JsonResponse):
        response.headers.add("X-Request-ID", state.request_id)
    else:  # a proxied answer may have its own
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
