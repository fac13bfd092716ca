"""Fetched credentials: shared by all workers, renewed early by one of them, never used once expired.

A worker looks into the store only when its own copy is due for renewal, or when the vendor refuses it. Until then it
does not see that another worker has renewed. Vendors let the old token live on for a while (WeChat five minutes), and
workers look within ``SPREAD`` of the time for early renewal (three of WeChat's minutes), so it is seldom refused; where
it is, the newer one is taken and the call sent once more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from gateway.bodies import digest, dump_json, load_json
from gateway.clock import Clock
from gateway.errors import DeadlineExceeded, GatewayError, StoreAway
from gateway.masking import Masker, Secret
from gateway.stores import Store

# shared_tokens: A fetched credential as all workers see it: one record in the store, renewed by whoever holds its lock.

LEASE = 5.0  # seconds after which a renewal that has not ended is taken over by another worker
MARGIN = 10.0  # seconds before its expiry from which a token is not sent: it has to arrive, and clocks differ
SPREAD = 0.25  # the share of the time for early renewal over which workers begin it, so that one of them is first


@dataclass(frozen=True, slots=True)
class Token:
    """``renew_at`` and ``expires_at`` are instants of this process (``Clock.now``)."""

    value: Secret
    renew_at: float
    expires_at: float


class SharedTokens:
    """Tokens in the store, by name. The record's times are Unix seconds: every machine has its own ``now``.

    Every operation may raise ``StoreAway``.
    """

    def __init__(self, store: Store, clock: Clock, jitter: Callable[[], float]) -> None:
        self._store, self._clock, self._jitter = store, clock, jitter

    def read(self, name: str) -> Token | None:
        record = self._store.get(name)
        if record is None:
            return None
        try:
            told = load_json(record)
            value, renew_at, expires_at = (
                Secret(told["value"]),
                float(told["renew_at"]),
                float(told["expires_at"]),
            )
        except (ValueError, TypeError, KeyError):
            return None  # another version's
        renew_at += self._jitter() * SPREAD * (expires_at - renew_at)
        now, ours = self._clock.now(), self._clock.now() - self._clock.wall()
        lives = now + self._store.ttl(name) + MARGIN  # whatever a clock says that was set wrong
        return Token(value, min(renew_at + ours, lives), min(expires_at + ours, lives))

    def acquire(self, name: str) -> int | None:
        """The fencing number of who may renew it now; None while another does."""
        return self._store.acquire(name, LEASE)

    def release(self, name: str, fence: int) -> None:
        self._store.release(name, fence)

    def forget(self, name: str) -> None:
        self._store.delete(name)

    def write(self, name: str, token: Token, fence: int) -> bool:
        """Whether it was; it is not when somebody who took over has written a newer one."""
        ours = self._clock.now() - self._clock.wall()
        told = {"renew_at": token.renew_at - ours, "expires_at": token.expires_at - ours}
        record = dump_json({"value": token.value.reveal(), **told})
        return self._store.set_fenced(name, record, token.expires_at - self._clock.now(), fence)


# tokens: Fetched credentials: shared by all workers, renewed early by one of them, never used once expired.

EARLY = 0.1  # the share of its life, at its end, in which a token is renewed while the old one still serves
LOOK = 0.05  # seconds between two looks for the token that another worker fetches
SAME = 1.0  # seconds by which one token's expiry may seem to move, because clocks are set right now and then
REST = LEASE  # seconds for which the old token serves after an early renewal that brought none

Fetch = Callable[[], tuple[Secret, float]]
Note = Callable[[str], None]


def token_name(service: str, base_url: str, auth: Mapping[str, Any]) -> str:
    """What the token of a service is kept under: another secret is another name, and none can be read from it."""
    return f"token:{digest((service, base_url, auth))}"


@dataclass(slots=True)
class _Slot:
    """One name's state in this process."""

    token: Token | None = None
    refused: Token | None = None  # by the vendor, the last one
    renewing: Future[Token | GatewayError] | None = None

    def usable(self, now: float) -> Token | None:
        return self.token if self.token and now < self.token.expires_at else None

    def has_refused(self, token: Token) -> bool:
        """Whether it is what the vendor refused, or older. The same text given out once more is another token."""
        if self.refused is None:
            return False
        return token.expires_at < self.refused.expires_at + (
            SAME if token.value == self.refused.value else 0
        )

    def good(self, found: Token | None, now: float) -> Token | None:
        return found if found and now < found.expires_at and not self.has_refused(found) else None


@dataclass(frozen=True, slots=True)
class _Asked:
    fetch: Fetch
    deadline: float
    note: Note


class Tokens:
    """By name. One caller of one worker fetches; the others use the old token, or wait for the new one.

    Safe under threads: the lock guards the slots and is never held while the store or the vendor is asked. While the
    store is away, every worker goes on with what it has, and fetches for itself when that has expired.

    :param masker: learns every token, fetched or found in the store.
    :param jitter: evenly random, 0 up to 1; spreads the workers' early renewals.
    """

    def __init__(
        self, clock: Clock, store: Store, masker: Masker, jitter: Callable[[], float]
    ) -> None:
        self._clock, self._masker = clock, masker
        self._shared = SharedTokens(store, clock, jitter)
        self._lock = threading.Lock()
        self._slots: dict[str, _Slot] = {}

    def get(
        self, name: str, fetch: Fetch, deadline: float, note: Note = lambda how: None
    ) -> Secret:
        """A token that has not expired.

        :param fetch: asks the vendor; gives the token and the seconds it lives.
        :param note: is told where the token came from, unless it was fetched for this call.
        :raises DeadlineExceeded: another call's fetch did not end in time.
        :raises GatewayError: as ``fetch`` does.
        """
        slot = self._slots.get(name) or self._slots.setdefault(name, _Slot())
        while True:
            now = self._clock.now()
            token = slot.token
            if token and now < token.renew_at:
                note("own")
                return token.value
            mine: Future[Token | GatewayError] | None = None
            with self._lock:
                token, pending = slot.usable(now), slot.renewing
                if token and (now < token.renew_at or pending):
                    note("own, while another call renews it" if pending else "own")
                    return token.value
                if pending is None:
                    mine = slot.renewing = Future()
            if mine is not None:
                return self._renew(name, slot, mine, _Asked(fetch, deadline, note)).value
            assert pending is not None
            try:
                outcome = pending.result(max(0.0, deadline - now))
            except FutureTimeout as error:
                raise DeadlineExceeded from error
            if isinstance(outcome, DeadlineExceeded):
                continue  # it was the other call's time that ran out, not ours: ask again
            if isinstance(outcome, GatewayError):
                raise outcome.copy()
            if self._clock.now() < outcome.expires_at:
                note("fetched by another call")
                return outcome.value

    def discard(self, name: str, value: Secret) -> None:
        """The vendor refused this token: it is not used again, here or from the store, unless a newer one has come."""
        with self._lock:
            slot = self._slots.get(name)
            if slot and slot.token and slot.token.value == value:
                slot.token, slot.refused = None, slot.token

    def retain(self, names: Collection[str]) -> None:
        """Forget the tokens under other names: of services that are gone, or have another credential."""
        with self._lock:
            for name in self._slots.keys() - set(names):
                del self._slots[name]

    def _renew(
        self, name: str, slot: _Slot, mine: Future[Token | GatewayError], asked: _Asked
    ) -> Token:
        try:
            token = self._newest(name, slot, asked)
        except BaseException as error:
            with self._lock:
                slot.renewing = None
            mine.set_result(_failure(error))
            raise
        self._masker.register(token.value, passing=True)
        with self._lock:
            slot.renewing = None
            if not slot.has_refused(token):
                slot.token = token
        mine.set_result(token)
        return token

    def _newest(self, name: str, slot: _Slot, asked: _Asked) -> Token:
        """What another worker has put into the store; or a fetched one; or, for now, the old one."""
        usable = slot.usable(self._clock.now())
        while True:
            try:
                found = slot.good(self._shared.read(name), self._clock.now())
                if found and self._clock.now() < found.renew_at:
                    asked.note("shared")
                    return found
                usable = usable or found
                fence = self._shared.acquire(name)
            except StoreAway:
                return self._resting(usable, asked) if usable else self._fetched(slot, asked.fetch)
            if fence is not None:
                return self._holding(fence, name, slot, asked, usable)
            if usable:
                return self._resting(usable, asked)
            left = asked.deadline - self._clock.now()
            if left <= 0:
                raise DeadlineExceeded
            self._clock.sleep(min(LOOK, left))

    def _holding(
        self, fence: int, name: str, slot: _Slot, asked: _Asked, usable: Token | None
    ) -> Token:
        """Fetch one under the lock, unless somebody did just before."""
        try:
            token = self._newer(name, slot)
            if token:
                asked.note("shared")
            else:
                token = self._written(name, self._fetched(slot, asked.fetch), fence)
        except GatewayError:
            if usable:
                return self._resting(
                    usable, asked
                )  # and the lock's lease goes on: no worker tries again before it ends
            self._release(name, fence)
            raise
        except BaseException:
            self._release(name, fence)
            raise
        self._release(name, fence)
        return token

    def _newer(self, name: str, slot: _Slot) -> Token | None:
        with suppress(StoreAway):
            now, stored = self._clock.now(), self._shared.read(name)
            found = slot.good(stored, now)
            if found and now < found.renew_at:
                return found
            if stored and not found:
                self._shared.forget(name)
        return None

    def _written(self, name: str, token: Token, fence: int) -> Token:
        """The token; or the one of who took over because we were too slow."""
        with suppress(StoreAway):
            if not self._shared.write(name, token, fence):
                return self._shared.read(name) or token
        return token

    def _fetched(self, slot: _Slot, fetch: Fetch) -> Token:
        asked = self._clock.now()
        value, life = fetch()
        slot.refused = None
        use = max(life - MARGIN, life / 2)
        return Token(value, asked + min(life * (1 - EARLY), use), asked + use)

    def _resting(self, token: Token, asked: _Asked) -> Token:
        asked.note("the old one, while it lasts")
        return replace(token, renew_at=min(self._clock.now() + REST, token.expires_at))

    def _release(self, name: str, fence: int) -> None:
        with suppress(StoreAway):
            self._shared.release(name, fence)


def _failure(error: BaseException) -> GatewayError:
    """What a failed renewal is to those who wait for it; where it was only stopped, that its time ran out."""
    if isinstance(error, GatewayError):
        return error.copy()
    return GatewayError() if isinstance(error, Exception) else DeadlineExceeded()
