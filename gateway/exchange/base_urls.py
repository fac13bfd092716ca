"""Which base URL an attempt goes to: the service's, its backup's, a host of the call's own."""

from __future__ import annotations

from collections.abc import Callable

from gateway.catalog.hosts import method_at
from gateway.catalog.model import Method
from gateway.messages import Call, Result
from gateway.runtime import Handler

HandlerAt = Callable[[Method, tuple[str, ...]], Handler]
#: Of one method, where callers choose the host; a further one takes the oldest's place.
MAX_HOSTS = 200


def main_or_backup(method: Method, handler_at: HandlerAt) -> Handler:
    """Return a handler for a service's base URLs, or of its backup where a call says so."""
    service = method.service
    if service.params:
        main = _by_host(method, handler_at)
    else:
        main = handler_at(method, service.base_urls)
    if not service.backup_url:
        return main
    backup = handler_at(method, (service.backup_url,))

    def handle(call: Call) -> Result:
        if call.backup:
            return backup(call)
        return main(call)

    return handle


def _by_host(method: Method, handler_at: HandlerAt) -> Handler:
    """Return a handler that makes one for each host that is called, and keeps the last of them."""
    names = [param.name for param in method.service.params]
    handlers: dict[tuple[str, ...], Handler] = {}

    def handle(call: Call) -> Result:
        key = tuple(str(call.params[name]).lower() for name in names)
        handler = handlers.get(key)
        if handler is None:
            at_host = method_at(method, call.params)
            handler = handler_at(at_host, at_host.service.base_urls)
            if len(handlers) >= MAX_HOSTS:
                handlers.pop(next(iter(handlers)), None)
            handlers[key] = handler
        return handler(call)

    return handle
