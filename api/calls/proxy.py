"""``/proxy/<service>/<path>``: a vendor's own SDK works through Postern by changing its base URL."""

from __future__ import annotations

import re
from typing import NoReturn
from urllib.parse import quote, unquote

from flask import Blueprint, g, request
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import Rule

from api.auth import always_streamed, role_required, token_required
from api.auth.app_signature import wire_target
from api.context import app_state, prepare_traced_call
from api.errors import MethodNotAllowed
from api.http.security import PROXIED_KEY
from api.http.streams import StreamResponse, caller_socket, open_request_stream, stream_response
from gateway.catalog.loader import PROXY
from gateway.catalog.schema import VERBS
from gateway.errors import NotFound, fields_error
from gateway.http.headers import Pairs, drop_headers, strip_hop_by_hop
from gateway.streams import PassthroughRequest
from schemas.fields import ROLES

blueprint = Blueprint("proxy", __name__)
FOR_PROXIES = frozenset(
    {"CONNECT", "TRACE"}
)  # themselves; an answer to TRACE would repeat the service's credential
APPS_PROOF = frozenset({"x-app-id", "x-timestamp", "x-nonce", "x-signature", "x-content-sha256"})
TRACE = frozenset({"traceparent", "tracestate"})  # each attempt has its own
OURS = (
    frozenset({"host", "content-length", "expect", "x-postern-token"}) | TRACE
)  # of this exchange
#: Our own proxies'.
FORWARDED = frozenset(
    {"forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix"}
)  # fmt: skip
ADDRESSES = frozenset({"location", "content-location", "refresh", "link"})
_TARGET = re.compile(
    r"(?P<gate>/api/(?:v1/)?proxy/(?P<service>[^/?]+))(?P<path>/[^?]*)?(?:\?(?P<query>.*))?"
)
_WIRE_TEXT = re.compile(r"[!\x22$-~\x80-\xff]*")  # no spaces, no controls, no fragment


@role_required(*ROLES, streamed=always_streamed)
def proxy(service: str, path: str = "") -> StreamResponse:
    """Verb, path, query, headers and body as they came; the answer as it comes."""
    if request.method in FOR_PROXIES:
        raise MethodNotAllowed(", ".join(sorted(VERBS)))
    target = wire_target()
    found = _TARGET.fullmatch(target)
    if (
        not found or unquote(found["service"]) != service
    ):  # it holds a quoted slash, which werkzeug took for one
        raise NotFound
    if not _WIRE_TEXT.fullmatch(target):
        raise fields_error("path", ["Must be quoted as in a URL."])
    gate = f"{request.scheme}://{request.host}{quote(request.script_root)}{found['gate']}"
    inbound = PassthroughRequest(
        _passing(),
        open_request_stream(),
        caller_socket(),
        request.method,
        found["path"] or "",
        found["query"],
        gate,
    )
    call = prepare_traced_call(
        service, PROXY, {"verb": inbound.verb, "path": inbound.path}, inbound=inbound
    )
    answer = app_state().gateway.proxy(call)
    response = stream_response(answer, _returning(answer.headers))
    response.untouched = request.environ[PROXIED_KEY] = True
    return response


@blueprint.record
def _any_verb(state: BlueprintSetupState) -> None:
    """Flask's own ``route`` wants verbs by name."""
    endpoint = f"{state.name}.proxy"
    state.app.view_functions[endpoint] = proxy
    for rest in ("", "/<rest:path>"):
        state.app.url_map.add(Rule(f"{state.url_prefix}/proxy/<service>{rest}", endpoint=endpoint))


@blueprint.route("/proxy/<service>/<rest:path>", websocket=True)
@token_required
def upgrade(service: str, path: str) -> NoReturn:
    """What werkzeug takes for the beginning of a WebSocket."""
    raise fields_error("Upgrade", ["Other protocols, such as WebSocket, are not passed through."])


def _passing() -> Pairs:
    """The caller's headers less what was meant for us."""
    dropped = OURS | (
        APPS_PROOF if "X-App-Id" in request.headers else set()
    )  # an SDK may sign by those names, too
    if app_state().settings.trusted_proxies:
        dropped |= FORWARDED
    if g.by_authorization or _same_token():
        dropped |= {"authorization"}
    return drop_headers(strip_hop_by_hop(_lines()), dropped)


def _lines() -> Pairs:
    """The header lines as they came; as WSGI has them where the server keeps no others."""
    head: bytes = request.environ.get("postern.head", b"")
    if not head:
        return tuple(request.headers)
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
    return tuple((name, value.strip(" \t")) for name, _, value in lines)


def _same_token() -> bool:
    """The SDK was given the caller's own token for its key."""
    token = request.headers.get("X-Postern-Token", "").split()[-1:]
    return bool(token) and token[0] in request.headers.get("Authorization", "")


def _returning(headers: Pairs) -> Pairs:
    """The service's headers less what only we may say: to the caller, or to the proxy in front of us.

    One that sends callers to its own address may have our key in it.
    """
    orders, masked = app_state().settings.trusted_proxies > 0, app_state().masker.mask_secrets
    return tuple(
        (name, masked(value) if name.lower() in ADDRESSES else value)
        for name, value in headers
        if name.lower() != "x-postern-error"
        and not (orders and name.lower().startswith(("x-accel-", "x-sendfile")))
    )
