"""What every request begins and ends with: its id, the headers of every answer, one JSON line."""

from __future__ import annotations

import math
import random
import re
import time

from flask import Response

from api.context import app_state
from api.http.bodies.streams import StreamResponse
from api.http.responses import HeaderPairs, add_answer_headers, set_headers
from api.http.security import add_security_headers
from api.http.versions import deprecation_headers
from api.metrics import count_request
from api.request_context import Request, RequestGlobals, current_context
from gateway.masking import mask_path
from gateway.messages import Trace
from gateway.rates import Permit
from gateway.trace_context import TraceContext

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


def begin_request() -> None:
    """Take the caller's request id, or make one; take the trace that the caller has begun."""
    context = current_context()
    state = context.g
    state.began = time.perf_counter()
    get = context.request.environ.get
    request_id = get("HTTP_X_REQUEST_ID", "")
    if not _REQUEST_ID.fullmatch(request_id):
        request_id = f"{random.getrandbits(128):032x}"  # a name, no secret
    state.request_id = request_id
    if parent := get("HTTP_TRACEPARENT"):
        state.trace_context = TraceContext.from_headers(parent, get("HTTP_TRACESTATE", ""))


def finish_response(response: Response) -> Response:
    """Add the headers of every answer, count the request and write its line.

    The headers of a proxied answer stay as the service has set them.
    """
    context = current_context()
    state = context.g
    request = context.request
    elapsed_seconds = time.perf_counter() - state.began
    is_stream = isinstance(response, StreamResponse)
    is_untouched = is_stream and response.untouched  # type: ignore[attr-defined]
    headers: HeaderPairs = []
    if not (is_stream and "X-Request-ID" in response.headers):  # a service may have its own
        headers.append(("X-Request-ID", state.request_id))
    if trace := state.trace:
        if not state.is_proxy:
            headers += _attempt_headers(trace, elapsed_seconds)
        if trace.permit and not is_untouched:
            headers += _rate_limit_headers(trace.permit)
    if "postern.unversioned" in request.environ:
        headers += deprecation_headers(request)
    set_headers(response.headers, headers)
    if state.answer_headers:
        add_answer_headers(response.headers, state.answer_headers)
    if not is_untouched:
        add_security_headers(response.headers, request.scheme)
    _record(request, state, response.status_code, elapsed_seconds)
    return response


def _attempt_headers(trace: Trace, elapsed_seconds: float) -> HeaderPairs:
    """Return ``X-Attempts``, ``Server-Timing`` and how the call was answered, of failures too."""
    headers = [("X-Attempts", str(len(trace.attempts)))]
    if trace.cache:
        headers.append(("X-Cache", trace.cache))
    if trace.age is not None:
        headers.append(("Age", str(int(trace.age))))
    if trace.fallback:
        headers.append(("X-Fallback", trace.fallback))
    if trace.replayed:
        headers.append(("Idempotency-Replayed", "true"))
    total = elapsed_seconds * 1000
    downstream = trace.downstream_elapsed * 1000
    headers.append(("Server-Timing", f"total;dur={total:.1f}, downstream;dur={downstream:.1f}"))
    return headers


def _rate_limit_headers(permit: Permit) -> HeaderPairs:
    return [
        ("RateLimit-Limit", str(permit.limit)),
        ("RateLimit-Remaining", str(permit.remaining)),
        ("RateLimit-Reset", str(math.ceil(permit.reset))),
    ]


def _record(request: Request, state: RequestGlobals, status: int, elapsed_seconds: float) -> None:
    """Count the request, and write its line."""
    app = app_state()
    count_request(app.gateway.metrics, request, status, elapsed_seconds)
    service, method = state.called
    app.log.info(
        "request",
        request_id=state.request_id,
        trace_id=state.trace_context and state.trace_context.trace_id,
        caller=state.caller and state.caller.id,
        address=request.remote_addr,
        verb=request.method,
        path=mask_path(request.path),
        service=service,
        method=method,
        status=status,
        code=state.code,
        attempts=state.trace and len(state.trace.attempts),
        elapsed_ms=round(elapsed_seconds * 1000, 1),
    )
