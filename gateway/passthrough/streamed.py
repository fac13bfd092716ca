"""One attempt of a method that says ``stream``."""

from __future__ import annotations

from dataclasses import replace

from gateway.bodies import make_reader
from gateway.catalog.model import Method
from gateway.envelopes import make_envelope
from gateway.exchange.answer_check import make_answer_check
from gateway.exchange.extras import make_extras_reader
from gateway.http.credential_mask import CredentialMask
from gateway.http.headers import join_lines
from gateway.http.request_builder import RequestBuilder
from gateway.masking import Secret
from gateway.messages import NO_EXTRAS, Call, Result
from gateway.passthrough.sender import NO_REQUEST, StreamSender, is_json
from gateway.runtime import Handler, Runtime
from gateway.streams import Pairs, ResponseStream

FORWARDED_HEADERS = frozenset({
    "content-type", "content-length", "content-encoding", "content-range", "content-disposition",
    "accept-ranges", "etag", "last-modified", "cache-control",
})  # fmt: skip


def stream_exchange(runtime: Runtime, method: Method, urls: tuple[str, ...]) -> Handler:
    """Return the innermost handler of a method that says ``stream``."""
    sender = StreamSender(method, runtime, urls)
    credentials = sender.credentials
    build = RequestBuilder(method, sender.next_url, runtime.clock).build
    envelope = make_envelope(method.envelope)
    reader = make_reader("json" if method.streams_answer else method.response)
    has_codes = method.envelope != "plain"
    check_answer = make_answer_check(method, runtime)
    read_extras = make_extras_reader(method, credentials)
    # Of the others there is no need to say a second time what is forwarded anyway.
    read_stream_extras = make_extras_reader(method, credentials, FORWARDED_HEADERS)

    def handle(call: Call) -> Result:
        inbound = call.inbound or NO_REQUEST
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
        forwarded = _forward_headers(response.headers, credentials, token)
        if has_codes and is_json(response.headers):
            whole = response.read_whole(method.service.max_response)
            sender.unwrap(whole, envelope, reader, token)
            body = credentials.mask_bytes(whole.body, token)
            return Result(ResponseStream.whole(response.status, forwarded, body), extras)
        read = credentials.mask_stream(response.read, token)
        return Result(ResponseStream(response.status, forwarded, read, response.close), extras)

    return handle


def _forward_headers(headers: Pairs, credentials: CredentialMask, token: Secret) -> Pairs:
    return tuple(
        (name, credentials.mask_text(value, token))
        for name, value in headers
        if name.lower() in FORWARDED_HEADERS
    )


def _may_stream(method: Method, status: int) -> bool:
    return method.streams_answer and (200 <= status < 300 or status in (304, 416))
