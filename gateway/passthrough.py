"""One attempt whose bodies pass while they come: of a method that says ``stream``, or of a proxied request."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

from gateway.bodies import make_reader
from gateway.bodies.spool import Spool
from gateway.catalog.model import Method
from gateway.envelopes import Envelope, make_envelope
from gateway.envelopes.described import status_error
from gateway.errors import (
    CredentialError,
    CredentialExpired,
    GatewayError,
    OutcomeUnknown,
    fields_error,
)
from gateway.exchange import NO_TOKEN, builder, host_of, rotation, token_source
from gateway.http.credential_mask import CredentialMask
from gateway.http.headers import Rebaser, group_by_name, joined, strip_hop_by_hop
from gateway.http.inflate import inflate
from gateway.http.streaming_response import ExchangeTimeouts, StreamingResponse
from gateway.masking import Secret
from gateway.messages import Call, HttpRequest, HttpResponse, Result
from gateway.runtime import Handler, Runtime
from gateway.signers import make_signer
from gateway.signers.tokens import token_name
from gateway.streams import (
    MAX_RESENDABLE_BYTES,
    MAX_STREAM_SECONDS,
    PassthroughRequest,
    ResponseStream,
)
from gateway.telemetry.wire_log import WireLog

FORWARDED_HEADERS = frozenset({
    "content-type", "content-length", "content-encoding", "content-range", "content-disposition", "accept-ranges",
    "etag", "last-modified", "cache-control",
})  # fmt: skip
MAX_HELD_BYTES = (
    1024 * 1024
)  # bytes of a proxied failure that is held while the request may still be sent again
_NOTHING = PassthroughRequest()


def stream_exchange(method: Method, parts: Runtime) -> Handler:
    """The innermost handler of a method that says ``stream``."""
    return _by_url(method, parts, _of_method)


def proxy_exchange(method: Method, parts: Runtime) -> Handler:
    """The innermost handler of a service's proxied requests."""
    return _by_url(method, parts, _of_proxy)


def _by_url(
    method: Method, parts: Runtime, through: Callable[[Method, _Sender, tuple[str, ...]], Handler]
) -> Handler:
    service = method.service
    main = through(method, _Sender(method, parts, service.base_urls), service.base_urls)
    if not service.backup_url:
        return main
    urls = (service.backup_url,)
    backup = through(method, _Sender(method, parts, urls), urls)
    return lambda call: (backup if call.backup else main)(call)


class _Sender:
    """Signs requests and opens the exchange; knows the token that was used."""

    def __init__(self, method: Method, parts: Runtime, urls: tuple[str, ...]) -> None:
        service = method.service
        self._signer = make_signer(service.auth, urls[0])
        for secret in self._signer.secrets:
            parts.masker.register(secret, of_catalog=True)
        self._token_of = (
            token_source(method, parts, self._signer) if self._signer.fetches_token else None
        )
        self._name = (
            token_name(service.name, service.base_urls[0], service.auth) if self._token_of else ""
        )
        self._parts, self._method, self.clock = parts, method, parts.clock
        self.credentials = CredentialMask(method, self._signer.secrets)
        self._hosts = {url: host_of(url) for url in urls}
        self._dump = WireLog(method, parts.masker, parts.log.debug) if parts.dumps else None
        self.reads_query = self._signer.reads_query
        self.fetches = self._token_of is not None

    def open(self, request: HttpRequest, call: Call) -> tuple[StreamingResponse, Secret]:
        """The answer, begun, and the token it was asked with."""
        token = self._token_of(call) if self._token_of else NO_TOKEN
        request = self._signer.adopt(self._whole(request))
        if request.upload is None or not self._signer.needs_spool(request):
            return self._send(request, call, token), token
        with Spool(request.upload) as spool:
            headers = {**request.headers, **dict(spool.trailers)}
            return self._send(replace(request, headers=headers, upload=spool), call, token), token

    def _send(self, request: HttpRequest, call: Call, token: Secret) -> StreamingResponse:
        inbound, timeout = call.inbound or _NOTHING, self._method.timeout
        request = self._signer.sign(request, token)
        deadline = call.deadline
        if request.upload and call.timeout is None:  # it may take its time as long as it flows
            deadline = self._parts.clock.now() + MAX_STREAM_SECONDS
        pace = ExchangeTimeouts(timeout.connect, timeout.read, deadline, inbound.watch)
        attempt = call.trace.attempts[-1]
        attempt.host = self._hosts[request.base_url]
        incoming = None
        try:
            incoming = self._parts.client.channel(self._method.service).open(request, pace)
        finally:
            if self._dump:
                status, headers = (incoming.status, incoming.headers) if incoming else (None, None)
                self._dump.write(request, call, status, headers, None)
        attempt.status = incoming.status
        return incoming

    def discard(self, token: Secret) -> None:
        self._parts.tokens.discard(self._name, token)

    def _whole(self, request: HttpRequest) -> HttpRequest:
        """With its body in one piece where the signer reads it, or where it is small enough to be sent again."""
        upload = request.upload
        if upload is None:
            return request
        if upload.begun:
            raise OutcomeUnknown(detail="its body has passed already")
        if self._signer.reads_body or (
            upload.length is not None and upload.length <= MAX_RESENDABLE_BYTES
        ):
            return replace(request, upload=None, body=upload.whole())
        return request


def _of_method(method: Method, sender: _Sender, urls: tuple[str, ...]) -> Handler:
    build, envelope = builder(method, urls, sender.clock), make_envelope(method.envelope)
    read = make_reader("json" if method.streams_answer else method.response)
    coded, credentials = method.envelope != "plain", sender.credentials

    def handle(call: Call) -> Result:
        inbound = call.inbound or _NOTHING
        request = build(call)
        headers = {**request.headers, **dict(inbound.headers)}
        if method.streams_answer:
            headers["Accept-Encoding"] = "identity"
        incoming, token = sender.open(replace(request, headers=headers, upload=inbound.body), call)
        status, pairs = incoming.status, incoming.headers
        json = "json" in dict(_lower(pairs)).get("content-type", "")
        passes = method.streams_answer and (200 <= status < 300 or status in (304, 416))
        passing = tuple(
            (name, credentials.mask_text(value, token))
            for name, value in pairs
            if name.lower() in FORWARDED_HEADERS
        )
        if passes and not (coded and json):
            return Result(
                ResponseStream(
                    status, passing, credentials.mask_stream(incoming.read, token), incoming.close
                )
            )
        whole = incoming.read_whole(method.service.max_response)
        try:
            data = envelope(whole, read)
        except GatewayError as error:
            credentials.mask_error(error, token)
            if not isinstance(error, CredentialExpired):
                raise
            if not sender.fetches:
                raise CredentialError(vendor_code=error.vendor_code, detail=error.detail) from error
            sender.discard(token)
            raise
        if passes:
            return Result(
                ResponseStream.of(status, passing, [credentials.mask_bytes(whole.body, token)])
            )
        return Result(credentials.mask(data, whole, token))

    return handle


def _of_proxy(method: Method, sender: _Sender, urls: tuple[str, ...]) -> Handler:
    base = rotation(urls)
    envelope = make_envelope(method.envelope) if method.envelope != "plain" else None
    rebase = Rebaser(method.service.all_base_urls)
    rewrites = method.service.rewrites

    def handle(call: Call) -> Result:
        request = _as_it_came(call, base(), method, sender.reads_query)
        request = replace(request, at=sender.clock.wall(), nonce=secrets.token_hex(16))
        incoming, token = sender.open(request, call)
        status, headers, reason = (
            incoming.status,
            strip_hop_by_hop(incoming.headers),
            incoming.reason,
        )
        if rewrites and call.inbound:
            headers = rebase.headers(headers, request.base_url, request.path, call.inbound.gate_url)
        headers, reason = sender.credentials.mask_head(headers, reason, token)
        json = envelope and "json" in dict(_lower(incoming.headers)).get("content-type", "")
        expired = sender.fetches and (status == 401 or json)
        if not (status >= 500 or status == 429 or expired):
            return Result(ResponseStream(status, headers, incoming.read, incoming.close, reason))
        held, more = incoming.read_up_to(MAX_HELD_BYTES)
        if more:
            return Result(
                ResponseStream(status, headers, _then(held, incoming.read), incoming.close, reason)
            )
        answer = ResponseStream.of(status, headers, [held] if held else [], reason)
        failure = _failure(incoming, held, envelope if json else None)
        if failure is None:
            return Result(answer)
        if isinstance(failure, CredentialExpired):
            sender.discard(token)
        failure.passthrough_response = answer
        try:
            raise failure
        finally:
            del failure  # its traceback has this frame: both would stay until garbage is collected

    return handle


def _as_it_came(call: Call, base: str, method: Method, signed: bool) -> HttpRequest:
    """The caller's request, elsewhere, with what the service's declaration adds.

    :param signed: the credential depends on the query, and on header lines as one.
    """
    inbound = call.inbound or _NOTHING
    groups = group_by_name(inbound.headers)
    came = {name: joined(name, values) for name, *values in groups.values()}
    headers = {name: value for name, value in method.headers.items() if name.lower() not in groups}
    headers |= {
        **came,
        "X-Request-ID": call.request_id,
        **call.context.headers(call.trace.attempts[-1].span_id),
    }
    path = inbound.path or ("" if urlsplit(base).path else "/")
    request = HttpRequest(
        inbound.verb, base, path, tuple(method.query.items()), headers, upload=inbound.body
    )
    if signed:
        return replace(request, query=_pairs(inbound.query or "") + request.query)
    several = {
        (name, came[name]): tuple(values)
        for key, (name, *values) in groups.items()
        if len(values) > 1 and key != "cookie"  # of which there is one line (RFC 6265, 5.4)
    }
    return replace(request, raw_query=inbound.query, lines=several)


def _pairs(query: str) -> tuple[tuple[str, str], ...]:
    try:
        return tuple(parse_qsl(query, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError as error:
        raise fields_error("query", ["Must be UTF-8 where it is signed."]) from error


def _failure(
    incoming: StreamingResponse, body: bytes, envelope: Envelope | None
) -> GatewayError | None:
    """What a proxied answer says of the service or of our token; None where it is the caller's to read."""
    headers = dict(_lower(incoming.headers))
    response = HttpResponse(incoming.status, headers, body)
    if response.status >= 500 or response.status in (401, 429):
        return status_error(response)
    try:
        if envelope:
            envelope(
                replace(response, body=inflate(body, headers, MAX_HELD_BYTES, incoming.pause)),
                make_reader("json"),
            )
    except CredentialExpired as error:
        return error
    except GatewayError:
        pass
    return None


def _then(first: bytes, read: Callable[[], bytes]) -> Callable[[], bytes]:
    held = [first]
    return lambda: held.pop() if held else read()


def _lower(pairs: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    return [(name.lower(), value) for name, value in pairs]
