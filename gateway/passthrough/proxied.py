"""One attempt of a proxied request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gateway.bodies import make_reader
from gateway.catalog.model import Method
from gateway.catalog.registry_names import RegistryName
from gateway.envelopes import Envelope, make_envelope
from gateway.envelopes.plain import status_error
from gateway.errors import CredentialExpired, GatewayError
from gateway.http.headers import strip_hop_by_hop
from gateway.http.rebase import BodyRebase, BodyRebaser, Rebaser
from gateway.http.response.inflate import inflate
from gateway.http.response.streaming import StreamingResponse
from gateway.http_messages import HttpRequest, HttpResponse
from gateway.messages import Call, Result
from gateway.passthrough.proxied_request import ProxiedRequestBuilder
from gateway.passthrough.sender import StreamSender, is_json
from gateway.runtime import Handler, Runtime
from gateway.streams import Pairs, ResponseStream

#: Of a proxied failure, held while the request may still be sent again.
MAX_FAILURE_BYTES = 1024 * 1024


def proxy_exchange(runtime: Runtime, method: Method, urls: tuple[str, ...]) -> Handler:
    """Return the innermost handler of a service's proxied requests."""
    return _ProxyExchange(method, runtime, urls).handle


class _ProxyExchange:
    def __init__(self, method: Method, runtime: Runtime, urls: tuple[str, ...]) -> None:
        service = method.service
        self._sender = StreamSender(method, runtime, urls)
        signer = self._sender.signer
        self._fetches_token = signer.fetches_token
        self._build = ProxiedRequestBuilder(method, signed=signer.reads_query).build
        self._rebases = service.rewrites
        self._rebaser: Rebaser | None = None  # of instances, each has one of its own
        if not RegistryName.read(urls[0]):
            self._rebaser = Rebaser(service.all_base_urls)
        self._body_rebaser = BodyRebaser(service.all_base_urls) if service.rewrites_body else None
        self._envelope = make_envelope(method.envelope) if method.envelope != "plain" else None

    def handle(self, call: Call) -> Result:
        """Return the service's answer, or raise what it means with the answer at hand."""
        sender = self._sender
        request = self._build(call, sender.next_url(), sender.clock.wall())
        response, token = sender.open(request, call)
        status = response.status
        headers, rebase = self._rebase_headers(response, request, call)
        headers, reason = sender.credentials.mask_head(headers, response.reason, token)
        coded = self._envelope if self._envelope and is_json(response.headers) else None
        may_be_expired = self._fetches_token and (status == 401 or coded)
        if not (status >= 500 or status == 429 or may_be_expired):
            body = response.take_whole()
            if body is not None:
                return Result(_whole_answer(status, headers, body, reason, rebase))
            return Result(_answer(response, headers, response.read, reason, rebase))
        body, more = response.read_up_to(MAX_FAILURE_BYTES)
        if more:
            read = _prepend(body, response.read)
            return Result(_answer(response, headers, read, reason, rebase))
        answer = _whole_answer(status, headers, body, reason, rebase)
        failure = _failure(response, body, coded)
        if failure is None:
            return Result(answer)
        if isinstance(failure, CredentialExpired):
            sender.discard_token(token)
        failure.passthrough_response = answer
        try:
            raise failure
        finally:
            del failure  # its traceback has this frame: both would stay until garbage is collected

    def _rebase_headers(
        self, response: StreamingResponse, request: HttpRequest, call: Call
    ) -> tuple[Pairs, BodyRebase | None]:
        """Return the answer's headers as they go on, and what rewrites its body."""
        received = response.headers
        headers = strip_hop_by_hop(received)
        if not (self._rebases and call.inbound):
            return headers, None
        gate_url = call.inbound.gate_url
        rebaser = self._rebaser or Rebaser((request.base_url,))
        headers = rebaser.headers(headers, request.base_url, request.path, gate_url)
        if not self._body_rebaser:
            return headers, None
        verb = call.inbound.verb
        return headers, self._body_rebaser.of_answer(verb, response.status, received, gate_url)


def _whole_answer(
    status: int, headers: Pairs, body: bytes, reason: str, rebase: BodyRebase | None
) -> ResponseStream:
    if rebase:
        body, headers = rebase.whole(body, rebase.headers(headers))
    return ResponseStream.whole(status, headers, body, reason)


def _answer(
    response: StreamingResponse,
    headers: Pairs,
    read: Callable[[], bytes],
    reason: str,
    rebase: BodyRebase | None,
) -> ResponseStream:
    if rebase:
        headers = rebase.headers(headers)
        read = rebase.stream(read)
    return ResponseStream(response.status, headers, read, response.close, reason)


def _failure(
    response: StreamingResponse, body: bytes, envelope: Envelope | None
) -> GatewayError | None:
    """Return what an answer says of the service or our token; None if the caller may read it."""
    headers = {name.lower(): value for name, value in response.headers}
    answer = HttpResponse(response.status, headers, body)
    if answer.status >= 500 or answer.status in (401, 429):
        return status_error(answer)
    try:
        if envelope:
            plain = inflate(body, headers, MAX_FAILURE_BYTES, response.pause)
            envelope(replace(answer, body=plain), make_reader("json"))
    except CredentialExpired as error:
        return error
    except GatewayError:
        pass
    return None


def _prepend(first: bytes, read: Callable[[], bytes]) -> Callable[[], bytes]:
    """Return what reads ``first`` before anything else."""
    pieces = [first]
    return lambda: pieces.pop() if pieces else read()
