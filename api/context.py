"""What the app is made of, for views: ``app_state().gateway`` and not a configuration key deep inside."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event
from typing import Any, TypeVar, cast

from flask import Flask, Response, current_app, g, request
from flask_caching import Cache

from api.resources.file_store import FileStore
from config import Settings
from gateway import Call, Gateway
from gateway.errors import fields_error
from gateway.masking import Masker
from gateway.messages import Trace
from gateway.sources.watcher import Watcher
from gateway.stores import Store
from gateway.trace_context import TraceContext
from models import Database

# parts: What the app is made of, for views: ``app_state().gateway`` and not a configuration key deep inside.

T = TypeVar("T")
_EXTENSION = "postern"  # as Flask's extensions are found


@dataclass(frozen=True)
class AppState:
    """
    :param make_gateway: called once; raises a ``CatalogError`` where there is no good catalog.
    :param stopping: set by the server once it ends, while it still serves.
    """

    settings: Settings
    database: Database
    files: FileStore
    store: Store
    make_gateway: Callable[[], Gateway]
    watcher: Watcher
    cache: Cache
    masker: Masker
    log: Any
    stopping: Event = field(default_factory=Event)

    @classmethod
    def of(cls, app: Flask) -> AppState:
        """Return the state of an app that ``register`` was called with."""
        return cast(AppState, app.extensions[_EXTENSION])

    def register(self, app: Flask) -> None:
        app.extensions[_EXTENSION] = self

    @cached_property
    def gateway(self) -> Gateway:
        """A server makes it as it starts, a command once it needs it."""
        return self.make_gateway()


def app_state() -> AppState:
    """The parts of the app that serves this request."""
    return cast(AppState, current_app.extensions[_EXTENSION])


def unwrap_proxy(proxy: T) -> T:
    """What ``g`` or ``request`` stands for, for who asks several things of it: the proxy looks for it at every one."""
    return cast(T, proxy._get_current_object())  # type: ignore[attr-defined]


# outgoing: A request that makes a call: what the caller says of it, and what it is told of it.


def prepare_call(service: str, method: str, params: Mapping[str, Any], **more: Any) -> Call:
    """A call of the one who asks, in as much time as it has for it.

    :param more: other fields of ``Call``.
    """
    here = unwrap_proxy(g)
    here.context = here.context or TraceContext.new()  # one for all calls of this request
    whose = {"caller": here.caller, "request_id": here.request_id, "context": here.context}
    return Call(service, method, params, timeout=request_timeout(), **whose, **more)


def prepare_traced_call(service: str, method: str, params: Mapping[str, Any], **more: Any) -> Call:
    """The one call of this request: the answer's headers and the log will tell of it."""
    here, trace = unwrap_proxy(g), Trace()
    here.called, here.trace = (service, method), trace
    return prepare_call(service, method, params, trace=trace, **more)


_NUMBER = re.compile(r"[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,3})?")


def request_timeout() -> float | None:
    """``X-Request-Timeout``, in seconds."""
    text = request.headers.get("X-Request-Timeout")
    if text is None:
        return None
    seconds = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0 < seconds < math.inf:
        raise fields_error(
            "X-Request-Timeout", ["Must be a positive number of seconds, such as 2.5."]
        )
    return seconds


def add_attempt_headers(response: Response) -> Response:
    """``X-Attempts`` and ``Server-Timing``, on failures too."""
    here = unwrap_proxy(g)
    trace: Trace | None = here.get("trace")
    if trace is not None:
        response.headers["X-Attempts"] = str(len(trace.attempts))
        if trace.cache:
            response.headers["X-Cache"] = trace.cache
        if trace.age is not None:
            response.headers["Age"] = str(int(trace.age))
        if trace.fallback:
            response.headers["X-Fallback"] = trace.fallback
        if trace.replayed:
            response.headers["Idempotency-Replayed"] = "true"
        downstream = trace.downstream_elapsed * 1000
        response.headers["Server-Timing"] = (
            f"total;dur={here.elapsed_ms():.1f}, downstream;dur={downstream:.1f}"
        )
    return response


def add_rate_limit_headers(response: Response) -> Response:
    """``RateLimit-*`` wherever a call was made, on failures too."""
    trace: Trace | None = g.get("trace")
    if trace is not None and trace.turn and not getattr(response, "untouched", False):
        response.headers["RateLimit-Limit"] = str(trace.turn.limit)
        response.headers["RateLimit-Remaining"] = str(trace.turn.remaining)
        response.headers["RateLimit-Reset"] = str(math.ceil(trace.turn.reset))
    return response
