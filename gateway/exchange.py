"""One attempt: build, sign, send, read the envelope.

All that a method's declaration fixes is worked out at load.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from gateway.answer_check import make_answer_check
from gateway.bodies import Reader, make_reader
from gateway.catalog.hosts import method_at
from gateway.catalog.model import Method, Service
from gateway.clock import Clock
from gateway.connected import ConnectedAccount
from gateway.envelopes import Envelope, make_envelope
from gateway.errors import (
    BadResponse,
    CredentialError,
    CredentialExpired,
    Failed,
    GatewayError,
    NoInstance,
    Rejected,
)
from gateway.extras import make_extras_reader
from gateway.http.credential_mask import CredentialMask
from gateway.http.request_builder import RequestBuilder, binary_params
from gateway.masking import STARS, Secret, is_secret_name
from gateway.messages import NO_EXTRAS, Call, HttpRequest, HttpResponse, Page, Result
from gateway.pagination import PageSource, ReplyReader, make_page_reader
from gateway.runtime import Handler, Runtime
from gateway.signers import make_signer
from gateway.signers.tokens import token_name
from gateway.telemetry.wire_log import WireLog

NO_TOKEN = Secret("")
MAX_HOSTS = (
    200  # of one method, where callers choose the host; a further one takes the oldest's place
)


def exchange(method: Method, runtime: Runtime) -> Handler:
    """Return the innermost handler of a method's chain."""
    return main_or_backup(method, partial(_exchange_at, runtime))


def main_or_backup(
    method: Method, handler_at: Callable[[Method, tuple[str, ...]], Handler]
) -> Handler:
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


def _by_host(method: Method, handler_at: Callable[[Method, tuple[str, ...]], Handler]) -> Handler:
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


class _Hosts(dict[str, str]):
    """Those of the declared URLs; another one's, which a registry has named, is worked out."""

    def __missing__(self, url: str) -> str:
        return urlsplit(url).netloc


class Sender:
    """Signs a method's requests and sends them to some of its service's base URLs.

    Whichever of a service's URLs a token was fetched from, it serves for all of them.

    :ivar hosts: host and port of each base URL, which is all that is said of it.
    :ivar next_url: answers the base URL of the next request.
    :ivar credentials: masks ours in an answer.
    """

    def __init__(self, method: Method, runtime: Runtime, urls: tuple[str, ...]) -> None:
        service = method.service
        self.signer = make_signer(service.auth, urls[0])
        for secret in self.signer.secrets:
            runtime.masker.register(secret, of_catalog=True)
        self.credentials = CredentialMask(method, self.signer.secrets)
        self.channel = runtime.client.channel(service)
        self.timeout = method.timeout
        self.hosts = _Hosts({url: urlsplit(url).netloc for url in urls})
        self.next_url = self.channel.rotation(urls)
        self.wire_log = None
        if runtime.dumps:
            self.wire_log = WireLog(method, runtime.masker, runtime.log.debug)
        self.clock = runtime.clock
        self._service = service
        self._tokens = runtime.tokens
        self._renewals = runtime.metrics.token_renewals
        self._token_name = ""
        self._account: ConnectedAccount | None = None
        if self.signer.keeps_refresh_token:
            self._account = ConnectedAccount(service, self.signer, runtime, self.wire_log)
        if self.signer.fetches_token:
            self._token_name = token_name(service.name, service.base_urls[0], service.auth)

    def send(
        self, request: HttpRequest, call: Call, *, fetches_token: bool = False
    ) -> HttpResponse:
        """Send one request and read the answer whole.

        :param fetches_token: the answer is a token.
        """
        if self.wire_log is None:
            return self._send(request, call)
        return self.wire_log.wrap(self._send, fetches_token=fetches_token)(request, call)

    def _send(self, request: HttpRequest, call: Call) -> HttpResponse:
        return self.channel.send(request, self.timeout, call.deadline)

    def token(self, call: Call) -> Secret:
        """Return the token to sign with, fetched where there is none yet.

        :raises CredentialError: it is not to be had.
        """
        if not self._token_name:
            return NO_TOKEN
        try:
            if self._account:
                return self._account.token(call, partial(self._note, call))
            return self._tokens.get(
                self._token_name,
                partial(self._fetch_token, call),
                call.deadline,
                partial(self._note, call),
            )
        except (BadResponse, Failed, Rejected) as error:
            raise CredentialError(detail=error.detail) from error

    def _fetch_token(self, call: Call) -> tuple[Secret, float]:
        fetched = False
        try:
            token = self.signer.fetch_token(
                partial(self.send, call=call, fetches_token=True), self.clock.wall()
            )
            fetched = True
            return token
        finally:
            self._note(call, "fetched" if fetched else "not to be had")
            self._renewals.labels(self._service.name, "ok" if fetched else "failed").inc()

    def _note(self, call: Call, detail: str) -> None:
        call.trace.note(self.clock.now(), "token", detail)

    def discard_token(self, token: Secret) -> None:
        """Have the next call fetch another one."""
        if self._account:
            self._account.discard(token)
        else:
            self._tokens.discard(self._token_name, token)

    def unwrap(
        self, response: HttpResponse, envelope: Envelope, reader: Reader, token: Secret
    ) -> Any:
        """Return the answer's data; our credentials are still to be masked in it.

        :raises GatewayError: what the answer stands for. A token that it refuses is discarded.
        """
        try:
            return envelope(response, reader)
        except GatewayError as error:
            self.credentials.mask_error(error, token)
            if not isinstance(error, CredentialExpired):
                raise
            if not self._token_name:
                raise CredentialError(vendor_code=error.vendor_code, detail=error.detail) from error
            self.discard_token(token)
            raise


def _exchange_at(runtime: Runtime, method: Method, urls: tuple[str, ...]) -> Handler:
    sender = Sender(method, runtime, urls)
    signer = sender.signer
    channel = sender.channel
    build = RequestBuilder(method, sender.next_url, runtime.clock).build
    envelope = make_envelope(method.envelope)
    reader = make_reader(method.response)
    fetches_token = signer.fetches_token
    read_extras = make_extras_reader(method, sender.credentials)
    read_page = make_page_reader(method)
    check_answer = make_answer_check(method, runtime)

    def handle(call: Call) -> Result:
        attempt = call.trace.attempts[-1]
        token = sender.token(call) if fetches_token else NO_TOKEN
        request = signer.sign(build(call), token)
        attempt.host = sender.hosts[request.base_url]
        if sender.wire_log:
            response = sender.send(request, call)
        else:
            response = channel.send(request, sender.timeout, call.deadline)
        attempt.status = response.status
        attempt.first_byte = response.first_byte
        if signer.verifies_answers:
            signer.verify(request, response)
        read = reader if read_page is None else ReplyReader.of(reader)
        data = sender.unwrap(response, envelope, read, token)
        if check_answer:
            check_answer(data, call)
        data = sender.credentials.mask(data, response, token)
        extras = NO_EXTRAS
        if read_extras is not None:
            extras = read_extras(response.headers, token)
        if read_page is not None and isinstance(read, ReplyReader):
            page = read_page(call.params, PageSource(request, response, read.reply, data))
            page = _mask_page(page, call, sender.credentials, token)
            extras = replace(extras, page=page)
        return Result(data, extras)

    return handle


def _mask_page(page: Page, call: Call, credentials: CredentialMask, token: Secret) -> Page:
    """Mask what the service said; the rest is the caller's own."""
    if page.next is None:
        return page
    masked = {
        name: value if value is call.params.get(name) else credentials.mask_value(value, token)
        for name, value in page.next.items()
    }
    return replace(page, next=masked)


def dry_run(method: Method, call: Call, runtime: Runtime) -> HttpRequest:
    """Return the request an attempt would send.

    It has stars for secrets, for what ``mask`` names and for a fetched token. Where a registry has
    no instance to send it to, it has the service's name.
    """
    method = method_at(method, call.params)
    service = method.service
    call = replace(call, params=_mask_params(call.params, method.mask, binary_params(method)))
    method = replace(
        method, headers=_mask_secrets(method.headers), query=_mask_secrets(method.query)
    )
    signer = make_signer(_mask_auth(service.auth), service.base_urls[0])
    next_url = partial(
        _planned_url, runtime.client.channel(service).rotation(service.base_urls), service
    )
    request = RequestBuilder(method, next_url, runtime.clock).build(call)
    return signer.sign(request, Secret(STARS))


def _planned_url(next_url: Callable[[], str], service: Service) -> str:
    try:
        return next_url()
    except NoInstance:
        return service.base_urls[0]


def dry_run_token(method: Method, call: Call, clock: Clock) -> HttpRequest | None:
    """Return the first request for a token, with stars for secrets; None where none is fetched."""
    service = method_at(method, call.params).service
    signer = make_signer(_mask_auth(service.auth), service.base_urls[0])
    if not signer.fetches_token:
        return None
    requests: list[HttpRequest] = []

    def capture(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        raise CredentialError(detail="a dry run sends nothing")

    with suppress(CredentialError):
        if signer.keeps_refresh_token:
            signer.refresh(capture, clock.wall(), Secret(STARS))
        else:
            signer.fetch_token(capture, clock.wall())
    return requests[0]


def _mask_secrets(declared: Mapping[str, str]) -> dict[str, str]:
    return {name: STARS if is_secret_name(name) else text for name, text in declared.items()}


def _mask_params(
    params: Mapping[str, Any], hidden: frozenset[str], binary: frozenset[str]
) -> dict[str, Any]:
    """:param binary: names of parameters that stay base64."""
    masked: dict[str, Any] = {}
    for name, value in params.items():
        if name not in hidden:
            masked[name] = _mask_within(value, hidden)
            continue
        stars = b64encode(STARS.encode()).decode() if name in binary else STARS
        masked[name] = [stars] if isinstance(value, list) else stars
    return masked


def _mask_within(value: Any, hidden: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        return _mask_params(value, hidden, frozenset())
    if isinstance(value, list):
        return [_mask_within(item, hidden) for item in value]
    return value


def _mask_auth(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _mask_auth(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_mask_auth(inner) for inner in value]
    return Secret(STARS) if isinstance(value, Secret) else value
