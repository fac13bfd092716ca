"""One attempt: build, sign, send, read the envelope. All that a method's declaration fixes is worked out at load."""

from __future__ import annotations

import itertools
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlsplit

from gateway.bodies import make_reader, make_writer, to_pairs, to_text
from gateway.catalog.loader import IN_QUERY
from gateway.catalog.model import Method
from gateway.clock import Clock
from gateway.envelopes import make_envelope
from gateway.errors import (
    BadResponse,
    CredentialError,
    CredentialExpired,
    Failed,
    GatewayError,
    Rejected,
    fields_error,
)
from gateway.http.credential_mask import CredentialMask
from gateway.http.headers import has_dot_segments
from gateway.masking import STARS, Secret, named_secret
from gateway.messages import Call, HttpRequest, HttpResponse, Result
from gateway.runtime import Handler, Runtime
from gateway.signers import Signer, make_signer
from gateway.signers.tokens import token_name
from gateway.telemetry.wire_log import Send, WireLog
from gateway.trace_context import new_span_id

USER_AGENT = "postern"
NO_TOKEN = Secret("")
Build = Callable[[Call], HttpRequest]


def exchange(method: Method, parts: Runtime) -> Handler:
    """The innermost handler of a method's chain."""
    main = _through(method, parts, method.service.base_urls)
    if not method.service.backup_url:
        return main
    backup = _through(method, parts, (method.service.backup_url,))
    return lambda call: (backup if call.backup else main)(call)


def _through(method: Method, parts: Runtime, urls: tuple[str, ...]) -> Handler:
    """Attempts at these base URLs. Whichever of them a token was fetched from, it serves for all of the service."""
    service = method.service
    signer = make_signer(service.auth, urls[0])
    for secret in signer.secrets:
        parts.masker.register(secret, of_catalog=True)
    token_of = token_source(method, parts, signer) if signer.fetches_token else None
    name = token_name(service.name, service.base_urls[0], service.auth) if token_of else ""
    verify = signer.verify if signer.verifies_answers else None
    build = builder(method, urls, parts.clock)
    envelope, read = make_envelope(method.envelope), make_reader(method.response)
    credentials = CredentialMask(method, signer.secrets)
    send, hosts = sender(method, parts), {url: host_of(url) for url in urls}

    def handle(call: Call) -> Result:
        attempt = call.trace.attempts[-1]
        token = token_of(call) if token_of else NO_TOKEN
        request = signer.sign(build(call), token)
        attempt.host = hosts[request.base_url]
        response = send(request, call)
        attempt.status, attempt.first_byte = response.status, response.first_byte
        if verify:
            verify(request, response)
        try:
            return Result(credentials.mask(envelope(response, read), response, token))
        except GatewayError as error:
            credentials.mask_error(error, token)
            if not isinstance(error, CredentialExpired):
                raise
            if not token_of:
                raise CredentialError(vendor_code=error.vendor_code, detail=error.detail) from error
            parts.tokens.discard(name, token)
            raise

    return handle


def sender(method: Method, parts: Runtime, *, granting: bool = False) -> Send:
    """What sends one request of the method and reads the answer whole.

    :param granting: the answer is a token.
    """
    send, timeout = parts.client.channel(method.service).send, method.timeout

    def sent(request: HttpRequest, call: Call) -> HttpResponse:
        return send(request, timeout, call.deadline)

    if not parts.dumps:
        return sent
    return WireLog(method, parts.masker, parts.log.debug).wrap(sent, fetches_token=granting)


def host_of(url: str) -> str:
    """A base URL's host and port, which is all that is told of it."""
    return urlsplit(url).netloc.rpartition("@")[2]


def dry_run(method: Method, call: Call, clock: Clock) -> HttpRequest:
    """The request an attempt would send, with stars for secrets, for what ``mask`` names and for a fetched token."""
    service = method.service
    call = replace(call, params=_masked(call.params, method.mask, _binary(method)))
    method = replace(method, headers=_covered(method.headers), query=_covered(method.query))
    signer = make_signer(_starred(service.auth), service.base_urls[0])
    return signer.sign(builder(method, service.base_urls, clock)(call), Secret(STARS))


def _covered(declared: Mapping[str, str]) -> dict[str, str]:
    return {name: STARS if named_secret(name) else text for name, text in declared.items()}


def _masked(
    params: Mapping[str, Any], hidden: frozenset[str], binary: frozenset[str]
) -> dict[str, Any]:
    """:param binary: names of parameters that stay base64."""
    shown = {}
    for name, value in params.items():
        if name in hidden:
            stars = b64encode(STARS.encode()).decode() if name in binary else STARS
            shown[name] = [stars] if isinstance(value, list) else stars
        else:
            shown[name] = _masked_within(value, hidden)
    return shown


def _masked_within(value: Any, hidden: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return _masked(value, hidden, frozenset())
    if isinstance(value, list):
        return [_masked_within(each, hidden) for each in value]
    return value


def _starred(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _starred(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_starred(each) for each in value]
    return Secret(STARS) if isinstance(value, Secret) else value


def token_source(method: Method, parts: Runtime, signer: Signer) -> Callable[[Call], Secret]:
    service, send, now = method.service, sender(method, parts, granting=True), parts.clock.now
    name, renewals = (
        token_name(service.name, service.base_urls[0], service.auth),
        parts.metrics.token_renewals,
    )

    def token_of(call: Call) -> Secret:
        trace = call.trace

        def fetch() -> tuple[Secret, float]:
            outcome = "failed"
            try:
                response = send(signer.token_request(), call)
                token = signer.read_token(response)
                outcome = "ok"
                return token
            finally:
                trace.note(now(), "token", "fetched" if outcome == "ok" else "not to be had")
                renewals.labels(service.name, outcome).inc()

        try:
            return parts.tokens.get(
                name, fetch, call.deadline, lambda how: trace.note(now(), "token", how)
            )
        except (BadResponse, Failed, Rejected) as error:
            raise CredentialError(detail=error.detail) from error

    return token_of


def builder(method: Method, urls: tuple[str, ...], clock: Clock) -> Build:
    """Turns a call's loaded parameters into the unsigned request, to each of the base URLs in turn."""
    base = rotation(urls)
    path = _path_writer(method)
    by_place = {
        place: tuple(p.name for p in method.params if p.place == place)
        for place in ("query", "header", "body")
    }
    content_type, write = make_writer(
        "json" if method.streams_body else method.body, _binary(method)
    )
    fixed = {
        "User-Agent": USER_AGENT,
        "Accept": "*/*",
        "Accept-Encoding": "gzip, deflate",
        **method.headers,
    }
    if by_place["body"]:
        fixed = {"Content-Type": content_type, **fixed}
    fixed_query = tuple(method.query.items())
    query_names, header_names, body_names = by_place["query"], by_place["header"], by_place["body"]

    writer = (content_type, write) if body_names or method.verb not in IN_QUERY else None

    def build(call: Call) -> HttpRequest:
        params = call.params
        attempts = call.trace.attempts
        span_id = attempts[-1].span_id if attempts else new_span_id()
        headers = {**fixed, "X-Request-ID": call.request_id, **call.context.headers(span_id)}
        for name in header_names:
            if name in params:
                headers[name] = _header_text(name, params[name])
        if method.idempotency_header and call.vendor_key:
            headers[method.idempotency_header] = _header_text("Idempotency-Key", call.vendor_key)
        query = tuple(
            pair for name in query_names if name in params for pair in to_pairs(name, params[name])
        )
        query = fixed_query + query
        given = {name: params[name] for name in body_names if name in params}
        body = write(given) if body_names else b""
        at, nonce = clock.wall(), secrets.token_hex(16)
        return HttpRequest(
            method.verb, base(), path(params), query, headers, body, given, writer, at, nonce
        )

    return build


def _binary(method: Method) -> frozenset[str]:
    """The parameters whose value is base64, or a list of such."""
    keywords = {param.name: param.keywords.get("items", param.keywords) for param in method.params}
    return frozenset(
        name for name, each in keywords.items() if each.get("format") in ("byte", "binary")
    )


def rotation(urls: tuple[str, ...]) -> Callable[[], str]:
    """The next base URL in turn; one URL costs nothing."""
    if len(urls) == 1:
        return lambda: urls[0]
    turns = itertools.cycle(urls)  # next() on it is atomic
    return lambda: next(turns)


def _path_writer(method: Method) -> Callable[[Mapping[str, object]], str]:
    names = [param.name for param in method.params if param.place == "path"]
    if not names:
        return lambda params: method.path

    def write(params: Mapping[str, object]) -> str:
        path = method.path
        for name in names:
            path = path.replace(f"{{{name}}}", _segment(name, to_text(params[name])))
        return path

    return write


def _segment(name: str, text: str) -> str:
    """One path segment: quoted whole, so that a parameter adds none; one that would climb once unquoted is refused."""
    if not text or has_dot_segments(text):
        raise fields_error(name, ["Not usable in a path."])
    return quote(text, safe="")


def _header_text(name: str, value: object) -> str:
    text = to_text(value)
    if any(character < " " or character > "\xff" or character == "\x7f" for character in text):
        raise fields_error(name, ["Not usable in a header."])
    return text
