"""``/proxy/<service>/<path>``: a vendor's own SDK works through Postern with another base URL."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NoReturn
from urllib.parse import quote, unquote

from flask import Blueprint, Request
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import Rule
from werkzeug.sansio.utils import get_host

from api.auth import always_streamed, role_required, token_required
from api.auth.app_signature import wire_target
from api.context import app_state, prepare_traced_call
from api.errors import MethodNotAllowed
from api.http.bodies.streams import (
    StreamResponse,
    caller_socket,
    open_request_stream,
    stream_response,
)
from api.request_context import current_context
from gateway.catalog.loader import PROXY
from gateway.catalog.verb_and_path import VERBS
from gateway.errors import NotFound, fields_error
from gateway.http.headers import HOP_BY_HOP, connection_options, drop_headers
from gateway.streams import Pairs, PassthroughRequest
from schemas.fields import ROLES

blueprint = Blueprint("proxy", __name__)
# They address a proxy itself; an answer to TRACE would repeat the service's credential.
PROXY_VERBS = frozenset({"CONNECT", "TRACE"})
APP_SIGNATURE_HEADERS = frozenset(
    {"x-app-id", "x-timestamp", "x-nonce", "x-signature", "x-content-sha256"}
)
TRACE_HEADERS = frozenset({"traceparent", "tracestate"})  # each attempt has its own
#: Of the caller's exchange with us.
INBOUND_HEADERS = (
    frozenset({"host", "content-length", "expect", "x-postern-token"}) | TRACE_HEADERS | HOP_BY_HOP
)
#: Set by the proxies in front of us.
FORWARDED_HEADERS = frozenset(
    {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix"}
)  # fmt: skip
URL_HEADERS = frozenset({"location", "content-location", "refresh", "link"})
_TARGET = re.compile(
    r"(?P<gate>/api/(?:v1/)?proxy/(?P<service>[^/?]+))(?P<path>/[^?]*)?(?:\?(?P<query>.*))?"
)
_WIRE_TEXT = re.compile(r"[!\x22$-~\x80-\xff]*")  # no spaces, no controls, no fragment


@role_required(*ROLES, streamed=always_streamed)
def proxy(service: str, path: str = "") -> StreamResponse:
    """Pass verb, path, query, headers and body on unchanged, and return the response likewise."""
    incoming = current_context().request
    environ = incoming.environ
    current_context().g.is_proxy = True
    if incoming.method in PROXY_VERBS:
        raise MethodNotAllowed.instead_of(incoming.method, VERBS)
    target = wire_target(environ)
    match = _TARGET.fullmatch(target)
    # Werkzeug takes a quoted slash in the service's name for the end of it.
    if not match or unquote(match["service"]) != service:
        raise NotFound
    if not _WIRE_TEXT.fullmatch(target):
        raise fields_error("path", ["Must be quoted as in a URL."])
    inbound = PassthroughRequest(
        _request_headers(incoming),
        open_request_stream(),
        caller_socket(environ),
        incoming.method,
        match["path"] or "",
        match["query"],
        _root_url(incoming) + match["gate"],
    )
    call = prepare_traced_call(
        service, PROXY, {"verb": inbound.verb, "path": inbound.path}, inbound=inbound
    )
    stream = app_state().gateway.proxy(call)
    response = stream_response(stream, _response_headers(stream.headers))
    response.untouched = True
    return response


@blueprint.record
def _add_rules(state: BlueprintSetupState) -> None:
    """Add rules for any verb: Flask's ``route`` wants verbs by name."""
    endpoint = f"{state.name}.proxy"
    state.app.view_functions[endpoint] = proxy
    for rest in ("", "/<rest:path>"):
        state.app.url_map.add(Rule(f"{state.url_prefix}/proxy/<service>{rest}", endpoint=endpoint))


@blueprint.route("/proxy/<service>/<rest:path>", websocket=True)
@token_required
def upgrade(service: str, path: str) -> NoReturn:
    """Refuse what werkzeug takes for the beginning of a WebSocket."""
    raise fields_error("Upgrade", ["Other protocols, such as WebSocket, are not passed through."])


def _root_url(incoming: Request) -> str:
    """Return the URL under which the caller reaches us."""
    environ = incoming.environ
    host = environ.get("HTTP_HOST")
    root = f"{incoming.scheme}://{_host(incoming.scheme, host) if host else incoming.host}"
    if environ.get("SCRIPT_NAME"):
        root += quote(incoming.root_path)
    return root


@lru_cache(maxsize=1024)
def _host(scheme: str, header: str) -> str:
    """Return ``Request.host``."""
    return get_host(scheme, header)


def _request_headers(incoming: Request) -> Pairs:
    """Return the caller's headers without those that were meant for us or for this hop."""
    environ = incoming.environ
    dropped = INBOUND_HEADERS
    if "HTTP_X_APP_ID" in environ:  # else an SDK's own signature may have these names
        dropped |= APP_SIGNATURE_HEADERS
    if app_state().settings.trusted_proxies:
        dropped |= FORWARDED_HEADERS
    if current_context().g.by_authorization or _sends_own_token(environ):
        dropped |= {"authorization"}
    if options := environ.get("HTTP_CONNECTION"):
        dropped |= connection_options(options)
    return drop_headers(_header_lines(incoming), dropped)


def _header_lines(incoming: Request) -> Iterable[tuple[str, str]]:
    """Return the header lines in their own order and case, if the server keeps them."""
    head: bytes = incoming.environ.get("postern.head", b"")
    if not head:
        return incoming.headers
    pairs = []
    for line in head.decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        pairs.append((name, value.strip(" \t")))
    return pairs


def _sends_own_token(environ: Mapping[str, Any]) -> bool:
    """Return whether the SDK sends the caller's own token as its API key."""
    token = environ.get("HTTP_X_POSTERN_TOKEN", "").split()[-1:]
    return bool(token) and token[0] in environ.get("HTTP_AUTHORIZATION", "")


def _response_headers(headers: Pairs) -> Pairs:
    """Return the service's headers without those that only we may send.

    A URL of the service in one of them may hold our key, which is masked.
    """
    state = app_state()
    pairs = []
    for name, value in headers:
        lower = name.lower()
        if lower == "x-postern-error":
            continue
        # A proxy in front of us would obey these.
        if state.settings.trusted_proxies and lower.startswith(("x-accel-", "x-sendfile")):
            continue
        if lower in URL_HEADERS:
            pairs.append((name, state.masker.mask_secrets(value)))
        else:
            pairs.append((name, value))
    return tuple(pairs)
