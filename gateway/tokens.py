"""Fetched credentials: kept until they expire, renewed once however many calls want one, never used once expired."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.errors import DeadlineExceeded, GatewayError
from gateway.masking import Secret

EARLY = 0.1  # the share of its life, at its end, in which a token is renewed while the old one still serves
MARGIN = 5.0  # seconds before its expiry from which a token is not sent: it has to arrive, too


@dataclass(frozen=True, slots=True)
class Token:
    value: Secret
    renew_at: float
    expires_at: float


Fetch = Callable[[], tuple[Secret, float]]


class Tokens:
    """By key (a service and what it fetches with). One caller fetches; others use the old token, or wait for the new.

    Safe under threads: the lock guards two dictionaries and is never held while a token is fetched.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[Hashable, Token] = {}
        self._fetching: dict[Hashable, Future[Token]] = {}

    def get(self, key: Hashable, fetch: Fetch, deadline: float) -> Secret:
        """A token that has not expired.

        :param fetch: asks the vendor; gives the token and the seconds it lives.
        :raises DeadlineExceeded: another call's fetch did not end in time.
        :raises GatewayError: as ``fetch`` does.
        """
        while True:
            now = self._clock.now()
            token = self._tokens.get(key)
            if token and now < token.renew_at:
                return token.value
            mine: Future[Token] | None = None
            with self._lock:
                token, pending = self._tokens.get(key), self._fetching.get(key)
                if token and (now < token.renew_at or (pending and now < token.expires_at)):
                    return token.value
                if pending is None:
                    mine = self._fetching[key] = Future()
            if mine is not None:
                return self._renew(key, fetch, mine, token if token and now < token.expires_at else None)
            assert pending is not None
            try:
                return pending.result(max(0.0, deadline - now)).value
            except FutureTimeout as error:
                raise DeadlineExceeded from error
            except DeadlineExceeded:
                continue  # it was the other call's time that ran out, not ours: ask again

    def discard(self, key: Hashable, value: Secret) -> None:
        """The vendor refused this token; forget it unless a newer one has come since."""
        with self._lock:
            token = self._tokens.get(key)
            if token and token.value == value:
                del self._tokens[key]

    def _renew(self, key: Hashable, fetch: Fetch, mine: Future[Token], usable: Token | None) -> Secret:
        asked = self._clock.now()
        try:
            value, life = fetch()
        except BaseException as error:
            self._settle(key, mine, error)
            if usable and isinstance(error, GatewayError):
                return usable.value
            raise
        token = Token(value, asked + life * (1 - EARLY), asked + max(life - MARGIN, life / 2))
        self._settle(key, mine, token)
        return token.value

    def _settle(self, key: Hashable, mine: Future[Token], outcome: Token | BaseException) -> None:
        with self._lock:
            if isinstance(outcome, Token):
                self._tokens[key] = outcome
            del self._fetching[key]
        if isinstance(outcome, Token):
            mine.set_result(outcome)
        else:
            mine.set_exception(outcome)
