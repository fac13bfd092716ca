"""Signs a method's requests and sends them; a token is fetched where there is none."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlsplit

from gateway.bodies import Reader
from gateway.catalog.model import Method
from gateway.envelopes import Envelope
from gateway.errors import (
    BadResponse,
    ConnectFailed,
    ConnectTimeout,
    CredentialError,
    CredentialExpired,
    DeadlineExceeded,
    Failed,
    GatewayError,
    OutcomeUnknown,
    ReadTimeout,
    Rejected,
    UnsentInTime,
)
from gateway.exchange.connected_account import ConnectedAccount
from gateway.http.credential_mask import CredentialMask
from gateway.http_messages import HttpRequest, HttpResponse
from gateway.masking import Secret
from gateway.messages import Call
from gateway.runtime import Runtime
from gateway.signers import make_signer
from gateway.signers.tokens.entry import token_name
from gateway.telemetry.wire_log import WireLog

NO_TOKEN = Secret("")
NOT_SENT_MESSAGE = (
    "Whoever gives us the token for this service did not answer; the call was not sent."
    " Try again in a moment."
)


class _Hosts(dict[str, str]):
    """Hosts by base URL; that of an instance, which no catalog names, is read off its URL."""

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
        :raises ConnectFailed: no answer came; whatever became of that request, the call was not
            sent.
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
        except DeadlineExceeded as error:
            raise UnsentInTime from error
        except ReadTimeout as error:
            raise ConnectTimeout(NOT_SENT_MESSAGE, detail=error.detail) from error
        except OutcomeUnknown as error:
            raise ConnectFailed(NOT_SENT_MESSAGE, detail=error.detail) from error

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
