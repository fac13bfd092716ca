"""What a view reaches: the state of its app, and the call that its request makes.

Example::

    call = prepare_traced_call("github", "get_user", {"username": "octocat"})
    data = app_state().gateway.call(call).data
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING, Any

from flask import Flask

from api.request_context import current_app_context, current_context
from config import Settings
from gateway import Call
from gateway.errors import fields_error
from gateway.masking import Masker
from gateway.messages import Trace
from gateway.trace_context import TraceContext
from schemas.calls import ALL_PAGES

if TYPE_CHECKING:  # a command may need none of it
    from flask_caching import Cache

    from api.resources.file_store import FileStore
    from gateway import Gateway
    from gateway.sources.watcher import Watcher
    from gateway.stores import Store
    from models import Database
    from models.connections.vault import ConnectionVault

_EXTENSION = "postern"  # as Flask's extensions are found


@dataclass(frozen=True)
class Parts:
    """What a server has from its start, and a command once it asks for any of it.

    :param make_gateway: raises a ``CatalogError`` where there is no good catalog.
    """

    database: Database
    files: FileStore
    store: Store
    cache: Cache
    connections: ConnectionVault
    make_gateway: Callable[[], Gateway]

    @cached_property
    def gateway(self) -> Gateway:
        return self.make_gateway()


@dataclass(frozen=True)
class AppState:
    """What one app is made of.

    :param open_parts: returns the same parts each time.
    :param stopping: set by the server once it ends, while it still serves.
    """

    settings: Settings
    masker: Masker
    log: Any
    open_watcher: Callable[[], Watcher]
    open_parts: Callable[[], Parts]
    stopping: Event = field(default_factory=Event)

    @classmethod
    def of(cls, app: Flask) -> AppState:
        """Return the state of an app that ``register`` was called with."""
        return app.extensions[_EXTENSION]

    def register(self, app: Flask) -> None:
        app.extensions[_EXTENSION] = self

    @cached_property
    def watcher(self) -> Watcher:
        return self.open_watcher()

    @cached_property
    def database(self) -> Database:
        return self.open_parts().database

    @cached_property
    def files(self) -> FileStore:
        return self.open_parts().files

    @cached_property
    def store(self) -> Store:
        return self.open_parts().store

    @cached_property
    def cache(self) -> Cache:
        return self.open_parts().cache

    @cached_property
    def connections(self) -> ConnectionVault:
        return self.open_parts().connections

    @cached_property
    def gateway(self) -> Gateway:
        """The gateway with its catalog, made at first."""
        return self.open_parts().gateway


def app_state() -> AppState:
    """Return the state of the app that serves this request."""
    return current_app_context().app.extensions[_EXTENSION]


def prepare_call(
    service: str,
    method: str,
    params: Mapping[str, Any],
    *,
    heeds_paginate: bool = False,
    **fields: Any,
) -> Call:
    """Return a call by this request's caller, in as much time as it has.

    :param heeds_paginate: the request's ``X-Paginate`` is for this call.
    :param fields: other fields of ``Call``.
    :raises InvalidParams: a header is wrong.
    """
    context = current_context()
    state = context.g
    if state.trace_context is None:
        state.trace_context = TraceContext.new()  # one for all calls of this request
    environ = context.request.environ
    all_pages = heeds_paginate and "HTTP_X_PAGINATE" in environ
    if all_pages and environ["HTTP_X_PAGINATE"] != ALL_PAGES:
        raise fields_error("X-Paginate", [f"Must be {ALL_PAGES}."])
    return Call(
        service,
        method,
        params,
        timeout=_timeout(environ.get("HTTP_X_REQUEST_TIMEOUT")),
        caller=state.caller,
        request_id=state.request_id,
        context=state.trace_context,
        all_pages=all_pages,
        **fields,
    )


def prepare_traced_call(
    service: str, method: str, params: Mapping[str, Any], **fields: Any
) -> Call:
    """Return the one call of this request; its trace goes into headers and log."""
    state = current_context().g
    state.called = (service, method)
    state.trace = Trace()
    return prepare_call(service, method, params, trace=state.trace, **fields)


_NUMBER = re.compile(r"[0-9]{1,300}(\.[0-9]{1,300})?([eE][+-]?[0-9]{1,3})?")


def _timeout(text: str | None) -> float | None:
    """:raises InvalidParams: it is no positive number of seconds."""
    if text is None:
        return None
    seconds = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not 0 < seconds < math.inf:
        raise fields_error(
            "X-Request-Timeout", ["Must be a positive number of seconds, such as 2.5."]
        )
    return seconds
