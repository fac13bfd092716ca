"""Tokens of a service whose account is connected (``gateway.signers.tokens.connection_store``).

What a caller waits for ends with its deadline. The request that a refresh token goes out in does
not: it has a time of its own, and its answer is stored whoever has left.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from gateway.catalog.model import Service, Timeout
from gateway.errors import CallRefused, ConnectFailed, CredentialError, GatewayError, Unavailable
from gateway.masking import Secret
from gateway.messages import Call
from gateway.runtime import Runtime
from gateway.signers import make_signer
from gateway.signers.base import Signer
from gateway.signers.token_auth.answer import DEFAULT_LIFE_SECONDS
from gateway.signers.token_auth.oauth2 import OAuth2
from gateway.signers.tokens.connection_store import (
    REFRESH_SECONDS,
    Claim,
    ConnectionKey,
    Grant,
    GrantRefused,
    Outcome,
    connection_key,
)
from gateway.signers.tokens.entry import EPOCH_MARK, token_name
from gateway.telemetry.wire_log import SendFor, WireLog

TOKEN_TIMEOUT = Timeout(connect=5.0, read=REFRESH_SECONDS)
#: For which an answer that the database does not take is tried again, and between two tries.
KEEP_SECONDS = 600.0
KEEP_INTERVAL_SECONDS = 0.5
MAX_REASON_CHARACTERS = 300


class ConnectedAccount:
    """Fetches the tokens of one service by its connection's refresh token.

    :param wire_log: shows the requests for tokens.
    """

    def __init__(
        self, service: Service, signer: Signer, runtime: Runtime, wire_log: WireLog | None
    ) -> None:
        self._signer = signer
        self._runtime = runtime
        channel = runtime.client.channel(service)
        self._send: SendFor = lambda request, call: channel.send(
            request, TOKEN_TIMEOUT, call.deadline
        )
        if wire_log:
            self._send = wire_log.wrap(self._send, fetches_token=True)
        self._service = service.name
        self._key = key_of_service(service)
        self._token_name = token_name(service.name, service.base_urls[0], service.auth)

    def token(self, call: Call, note: Callable[[str], None]) -> Secret:
        """Return the token to sign with.

        :param note: called with where it came from.
        :raises CredentialError: the account must be connected, or the vendor gives no token.
        :raises DeadlineExceeded: it did not come before the call's deadline.
        """
        fetch = partial(self._fetch, call, note)
        name = self._name()
        return self._runtime.tokens.get(name, fetch, call.deadline, note, REFRESH_SECONDS)

    def discard(self, token: Secret) -> None:
        """Have the next call fetch another one: the service refused this one."""
        # First where it is kept: a fetch that begins in between would bring it back.
        with suppress(Unavailable, CredentialError):
            self._runtime.connections.refuse(self._key, token)
        with suppress(Unavailable, CredentialError):
            self._runtime.tokens.discard(self._name(), token)

    def _name(self) -> str:
        epoch = self._runtime.connections.epoch(self._key)
        return f"{self._token_name}{EPOCH_MARK}{epoch}"

    def _fetch(self, call: Call, note: Callable[[str], None]) -> tuple[Secret, float]:
        grant = self._runtime.connections.take(self._key)
        if isinstance(grant, Claim):
            renewals = self._runtime.metrics.token_renewals
            try:
                grant = self._refresh(grant, call)
            except BaseException:
                note("not to be had")
                renewals.labels(self._service, "failed").inc()
                raise
            note("fetched")
            renewals.labels(self._service, "ok").inc()
        return grant.access_token, DEFAULT_LIFE_SECONDS if grant.life is None else grant.life

    def _refresh(self, claim: Claim, call: Call) -> Grant:
        """Send the claimed refresh token, once, and store what it brought.

        Where anything else than a ``GatewayError`` ends this, the claim stays: it is unknown how
        far the request came.
        """
        runtime = self._runtime
        runtime.masker.register(claim.refresh_token, temporary=True)
        own_call = call.copy_with(call.params, runtime.clock.now() + REFRESH_SECONDS)
        try:
            grant = self._signer.refresh(
                lambda request: self._send(request, own_call),
                runtime.clock.wall(),
                claim.refresh_token,
            )
        except GrantRefused as error:
            self._give_up(claim, error.outcome, error)
            raise
        except (ConnectFailed, CallRefused) as error:
            self._give_up(claim, "unused", error)
            raise
        except GatewayError as error:
            self._give_up(claim, "unknown", error)
            raise
        if grant.refresh_token:
            runtime.masker.register(grant.refresh_token, temporary=True)
        self._write_or_retry(partial(runtime.connections.keep, claim, grant))
        return grant

    def _give_up(self, claim: Claim, outcome: Outcome, error: GatewayError) -> None:
        runtime = self._runtime
        reason = runtime.masker.mask_text(error.detail or error.message)[:MAX_REASON_CHARACTERS]
        if outcome != "unused":
            runtime.log.error("connection", service=self._service, outcome=outcome, why=reason)
        self._write_or_retry(partial(runtime.connections.fail, claim, outcome, reason))

    def _write_or_retry(self, write: Callable[[], None]) -> None:
        """Write it; while the database is away, go on trying beside the calls."""
        try:
            write()
        except Unavailable as error:
            why = error.detail or error.message
            self._runtime.log.error("connection", service=self._service, why=why, stored=False)
            threading.Thread(target=self._retry, args=(write,), daemon=True).start()

    def _retry(self, write: Callable[[], None]) -> None:
        clock = self._runtime.clock
        until = clock.now() + KEEP_SECONDS
        while clock.now() < until:
            clock.sleep(KEEP_INTERVAL_SECONDS)
            with suppress(Unavailable):
                write()
                self._runtime.log.info("connection", service=self._service, stored=True)
                return
        self._runtime.log.error("connection", service=self._service, stored="given up")


def key_of_service(service: Service) -> ConnectionKey:
    return connection_key(service.name, service.base_urls[0], service.auth)


class Authorization:
    """How an admin connects a service's account: a URL for the browser, and the code it brings."""

    def __init__(self, service: Service, runtime: Runtime) -> None:
        signer = make_signer(service.auth, service.base_urls[0])
        assert isinstance(signer, OAuth2)
        self.key = key_of_service(service)
        self._signer = signer
        self._runtime = runtime
        self._channel = runtime.client.channel(service)

    def url(self, redirect_uri: str, state: str, verifier: Secret) -> str:
        return self._signer.authorization_url(redirect_uri, state, verifier)

    def exchange(self, code: Secret, redirect_uri: str, verifier: Secret) -> Grant:
        """Return what the code brings.

        :raises GatewayError: nothing, or it is unknown.
        """
        clock = self._runtime.clock
        for secret in (code, verifier):
            self._runtime.masker.register(secret, temporary=True)
        deadline = clock.now() + REFRESH_SECONDS
        grant = self._signer.exchange_code(
            lambda request: self._channel.send(request, TOKEN_TIMEOUT, deadline),
            clock.wall(),
            code,
            redirect_uri,
            verifier,
        )
        for token in (grant.access_token, grant.refresh_token):
            if token:
                self._runtime.masker.register(token, temporary=True)
        return grant
