"""One attempt whose bodies pass while they come.

It is of a method that says ``stream``, or of a proxied request.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from urllib.parse import parse_qsl, urlsplit

from gateway.answer_check import make_answer_check
from gateway.bodies import make_reader
from gateway.bodies.spool import Spool
from gateway.catalog.model import Method
from gateway.envelopes import Envelope, make_envelope
from gateway.envelopes.described import status_error
from gateway.errors import CredentialExpired, GatewayError, OutcomeUnknown, fields_error
from gateway.exchange import Sender, main_or_backup
from gateway.extras import make_extras_reader
from gateway.http.headers import (
    Rebaser,
    group_by_name,
    join_lines,
    join_values,
    strip_hop_by_hop,
)
from gateway.http.inflate import inflate
from gateway.http.request_builder import RequestBuilder, url_rotation
from gateway.http.streaming_response import ExchangeTimeouts, StreamingResponse
from gateway.masking import Secret
from gateway.messages import NO_EXTRAS, Call, HttpRequest, HttpResponse, Result
from gateway.runtime import Handler, Runtime
from gateway.streams import (
    MAX_RESENDABLE_BYTES,
    MAX_STREAM_SECONDS,
    Pairs,
    PassthroughRequest,
    RequestStream,
    ResponseStream,
)

FORWARDED_HEADERS = frozenset({
    "content-type", "content-length", "content-encoding", "content-range", "content-disposition",
    "accept-ranges", "etag", "last-modified", "cache-control",
})  # fmt: skip
#: Of a proxied failure, held while the request may still be sent again.
MAX_HELD_BYTES = 1024 * 1024
_NO_REQUEST = PassthroughRequest()


def stream_exchange(method: Method, runtime: Runtime) -> Handler:
    """Return the innermost handler of a method that says ``stream``."""
    return main_or_backup(method, partial(_stream_at, method, runtime))


def proxy_exchange(method: Method, runtime: Runtime) -> Handler:
    """Return the innermost handler of a service's proxied requests."""
    return main_or_backup(method, partial(_proxy_at, method, runtime))


class _StreamSender(Sender):
    """Sends requests whose body may pass while it comes."""

    def open(self, request: HttpRequest, call: Call) -> tuple[StreamingResponse, Secret]:
        """Return the answer, begun, and the token it was asked with."""
        token = self.token(call)
        if request.upload is not None:
            request = self._collect(request, request.upload)
        request = self.signer.adopt(request)
        if request.upload is None or not self.signer.needs_spool(request):
            return self._open(request, call, token), token
        with Spool(request.upload) as spool:
            headers = {**request.headers, **dict(spool.trailers)}
            spooled = replace(request, headers=headers, upload=spool)
            return self._open(spooled, call, token), token

    def _open(self, request: HttpRequest, call: Call, token: Secret) -> StreamingResponse:
        request = self.signer.sign(request, token)
        attempt = call.trace.attempts[-1]
        attempt.host = self.hosts[request.base_url]
        response = None
        try:
            response = self.channel.open(request, self._timeouts(request, call))
        finally:
            if self.wire_log and response is None:
                self.wire_log.write(request, call, None, None, None)
            elif self.wire_log and response:
                self.wire_log.write(request, call, response.status, response.headers, None)
        attempt.status = response.status
        return response

    def _timeouts(self, request: HttpRequest, call: Call) -> ExchangeTimeouts:
        inbound = call.inbound or _NO_REQUEST
        deadline = call.deadline
        if request.upload and call.timeout is None:  # it may take its time as long as it flows
            deadline = self.clock.now() + MAX_STREAM_SECONDS
        return ExchangeTimeouts(self.timeout.connect, self.timeout.read, deadline, inbound.watch)

    def _collect(self, request: HttpRequest, upload: RequestStream) -> HttpRequest:
        """Read an upload whole where the signer reads it, or where it is small enough to resend."""
        if upload.started:
            raise OutcomeUnknown(detail="its body has passed already")
        if self.signer.reads_body or _is_small(upload):
            return replace(request, upload=None, body=upload.read_whole())
        return request


def _is_small(upload: RequestStream) -> bool:
    return upload.length is not None and upload.length <= MAX_RESENDABLE_BYTES


def _stream_at(method: Method, runtime: Runtime, urls: tuple[str, ...]) -> Handler:
    sender = _StreamSender(method, runtime, urls)
    credentials = sender.credentials
    build = RequestBuilder(method, urls, runtime.clock).build
    envelope = make_envelope(method.envelope)
    reader = make_reader("json" if method.streams_answer else method.response)
    has_codes = method.envelope != "plain"
    check_answer = make_answer_check(method, runtime)
    read_extras = make_extras_reader(method, credentials)
    # Of the others there is no need to say a second time what is forwarded anyway.
    read_stream_extras = make_extras_reader(method, credentials, FORWARDED_HEADERS)

    def handle(call: Call) -> Result:
        inbound = call.inbound or _NO_REQUEST
        request = build(call)
        headers = {**request.headers, **dict(inbound.headers)}
        if method.streams_answer:
            headers["Accept-Encoding"] = "identity"
        request = replace(request, headers=headers, upload=inbound.body)
        response, token = sender.open(request, call)
        if not _may_stream(method, response.status):
            whole = response.read_whole(method.service.max_response)
            data = sender.unwrap(whole, envelope, reader, token)
            if check_answer:
                check_answer(data, call)
            data = credentials.mask(data, whole, token)
            return Result(data, read_extras(whole.headers, token) if read_extras else NO_EXTRAS)
        extras = NO_EXTRAS
        if read_stream_extras:
            extras = read_stream_extras(join_lines(response.headers), token)
        passed = tuple(
            (name, credentials.mask_text(value, token))
            for name, value in response.headers
            if name.lower() in FORWARDED_HEADERS
        )
        if has_codes and _is_json(response.headers):
            whole = response.read_whole(method.service.max_response)
            sender.unwrap(whole, envelope, reader, token)
            body = credentials.mask_bytes(whole.body, token)
            return Result(ResponseStream.whole(response.status, passed, body), extras)
        read = credentials.mask_stream(response.read, token)
        return Result(ResponseStream(response.status, passed, read, response.close), extras)

    return handle


def _may_stream(method: Method, status: int) -> bool:
    return method.streams_answer and (200 <= status < 300 or status in (304, 416))


def _proxy_at(method: Method, runtime: Runtime, urls: tuple[str, ...]) -> Handler:
    sender = _StreamSender(method, runtime, urls)
    signer = sender.signer
    build = _ProxiedRequestBuilder(method, signed=signer.reads_query).build
    next_url = url_rotation(urls)
    rebaser = Rebaser(method.service.all_base_urls)
    rewrites = method.service.rewrites
    envelope = None
    if method.envelope != "plain":
        envelope = make_envelope(method.envelope)

    def handle(call: Call) -> Result:
        request = build(call, next_url(), sender.clock.wall())
        response, token = sender.open(request, call)
        status = response.status
        received = response.headers
        headers = strip_hop_by_hop(received)
        if rewrites and call.inbound:
            gate_url = call.inbound.gate_url
            headers = rebaser.headers(headers, request.base_url, request.path, gate_url)
        headers, reason = sender.credentials.mask_head(headers, response.reason, token)
        coded = envelope if envelope and _is_json(received) else None
        may_be_expired = signer.fetches_token and (status == 401 or coded)
        if not (status >= 500 or status == 429 or may_be_expired):
            body = response.take_whole()
            if body is not None:
                return Result(ResponseStream.whole(status, headers, body, reason))
            return Result(ResponseStream(status, headers, response.read, response.close, reason))
        held, more = response.read_up_to(MAX_HELD_BYTES)
        if more:
            read = _prepend(held, response.read)
            return Result(ResponseStream(status, headers, read, response.close, reason))
        answer = ResponseStream.whole(status, headers, held, reason)
        failure = _failure(response, held, coded)
        if failure is None:
            return Result(answer)
        if isinstance(failure, CredentialExpired):
            sender.discard_token(token)
        failure.passthrough_response = answer
        try:
            raise failure
        finally:
            del failure  # its traceback has this frame: both would stay until garbage is collected

    return handle


class _ProxiedRequestBuilder:
    """Turns a caller's request into the same one to another URL, with what a declaration adds.

    :param signed: the credential depends on the query, and on header lines as one.
    """

    def __init__(self, method: Method, *, signed: bool) -> None:
        self._headers = {name.lower(): (name, value) for name, value in method.headers.items()}
        self._query = tuple(method.query.items())
        self._signed = signed

    def build(self, call: Call, base_url: str, at: float) -> HttpRequest:
        """Return the request of one attempt, with a nonce of its own.

        :param at: Unix seconds.
        """
        inbound = call.inbound or _NO_REQUEST
        headers, lines = self._joined_headers(inbound.headers)
        headers["X-Request-ID"] = call.request_id
        headers |= call.context.headers(call.trace.attempts[-1].span_id)
        query = self._query
        raw_query = inbound.query
        if self._signed:
            query = _pairs(inbound.query or "") + query
            raw_query = None
            lines = {}
        return HttpRequest(
            inbound.verb,
            base_url,
            inbound.path or ("" if urlsplit(base_url).path else "/"),
            query,
            headers,
            at=at,
            nonce=os.urandom(16).hex(),
            upload=inbound.body,
            raw_query=raw_query,
            lines=lines,
        )

    def _joined_headers(
        self, pairs: Pairs
    ) -> tuple[dict[str, str], dict[tuple[str, str], tuple[str, ...]]]:
        """Return the declared headers and the caller's own, and the lines of those in several."""
        groups = group_by_name(pairs)
        headers = dict([pair for lower, pair in self._headers.items() if lower not in groups])
        lines = {}
        for lower, (name, *values) in groups.items():
            headers[name] = values[0]
            if len(values) > 1:
                headers[name] = join_values(name, values)
                if lower != "cookie":  # of which there is one line (RFC 6265, 5.4)
                    lines[name, headers[name]] = tuple(values)
        return headers, lines


def _pairs(query: str) -> Pairs:
    try:
        return tuple(parse_qsl(query, keep_blank_values=True, errors="strict"))
    except UnicodeDecodeError as error:
        raise fields_error("query", ["Must be UTF-8 where it is signed."]) from error


def _failure(
    response: StreamingResponse, body: bytes, envelope: Envelope | None
) -> GatewayError | None:
    """Return what a proxied answer says of the service or of our token.

    It is None where the answer is the caller's to read.
    """
    headers = {name.lower(): value for name, value in response.headers}
    held = HttpResponse(response.status, headers, body)
    if held.status >= 500 or held.status in (401, 429):
        return status_error(held)
    try:
        if envelope:
            plain = inflate(body, headers, MAX_HELD_BYTES, response.pause)
            envelope(replace(held, body=plain), make_reader("json"))
    except CredentialExpired as error:
        return error
    except GatewayError:
        pass
    return None


def _prepend(first: bytes, read: Callable[[], bytes]) -> Callable[[], bytes]:
    """Return what reads ``first`` before anything else."""
    pieces = [first]
    return lambda: pieces.pop() if pieces else read()


def _is_json(headers: Pairs) -> bool:
    for name, value in reversed(headers):
        if name.lower() == "content-type":
            return "json" in value
    return False
