"""Fetched credentials: shared by all workers, renewed early by one, never used once expired.

A worker looks into the store only when its own copy is due for renewal, or was refused: until then
it does not see that another has renewed. Vendors let the old token live on (WeChat five minutes),
and workers look within ``SPREAD_SHARE`` of the time for early renewal (three of WeChat's minutes),
so it is seldom refused; where it is, the newer one is taken and the call sent once more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from dataclasses import replace

from gateway.clock import Clock
from gateway.errors import DeadlineExceeded, GatewayError, OutOfResources, StoreUnavailable
from gateway.masking import Masker, Secret
from gateway.signers.tokens.connection_store import RefreshUnderWay
from gateway.signers.tokens.entry import EPOCH_MARK, Entry, Fetch, Note, Renewal
from gateway.signers.tokens.shared import EXPIRY_MARGIN_SECONDS, LOCK_SECONDS, SharedTokens, Token
from gateway.stores import Lock, Store

RETRY_SECONDS = LOCK_SECONDS  # for which the old token serves after an early renewal that failed
POLL_SECONDS = 0.05  # between two looks for the token that another worker fetches
MAX_ENTRIES = 10_000  # tokens that a process keeps; the store has them, too
RENEWAL_SHARE = 0.1  # of its life, at its end, in which a token is renewed while the old one serves


class Tokens:
    """Tokens by name. One caller of one worker fetches; the others use the old token, or wait.

    Safe under threads: the lock guards the entries and is never held while the store or the vendor
    is asked. While the store is away, every worker goes on with what it has, and fetches for itself
    when that has expired.

    :param masker: learns every token, fetched or read from the store.
    :param jitter: evenly random, 0 up to 1; spreads the workers' early renewals.
    """

    def __init__(
        self, clock: Clock, store: Store, masker: Masker, jitter: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._masker = masker
        self._shared = SharedTokens(store, clock, jitter)
        self._lock = threading.Lock()
        self._entries: dict[str, Entry] = {}

    def get(
        self,
        name: str,
        fetch: Fetch,
        deadline: float,
        note: Note = lambda origin: None,
        own_seconds: float | None = None,
    ) -> Secret:
        """Return a token that has not expired.

        :param fetch: asks the vendor; returns the token and the seconds it lives.
        :param note: called with where the token came from, unless it was fetched for this call.
        :param own_seconds: for a renewal in a thread of its own; None: it ends with the call.
        :raises DeadlineExceeded: another call's fetch did not end in time.
        :raises GatewayError: as ``fetch`` does.
        """
        # setdefault alone would make an entry for every call.
        entry = self._entries.get(name) or self._add(name)
        while True:
            now = self._clock.now()
            token = entry.token
            if token and now < token.renew_at:
                note("own")
                return token.value
            ends = deadline if own_seconds is None else now + own_seconds
            renewal = Renewal(name, entry, fetch, ends, note)
            token, pending = self._join(renewal, now)
            if token and (now < token.renew_at or pending):
                note("own, while another call renews it" if pending else "own")
                return token.value
            if pending:
                token = self._await(pending, deadline)
                if token:
                    note("fetched by another call")
            elif own_seconds is None:
                token = self._renew(renewal)
            else:
                self._start(renewal)
                if token:
                    note("own, while it is renewed")
                else:
                    token = self._await(renewal.outcome, deadline)
            if token:
                return token.value

    def _join(
        self, renewal: Renewal, now: float
    ) -> tuple[Token | None, Future[Token | GatewayError] | None]:
        """Return the token that still serves, and the renewal that runs.

        Where none runs and one is due, it is this call's from now on.
        """
        entry = renewal.entry
        with self._lock:
            token = entry.usable(now)
            pending = entry.renewal
            if pending is None and not (token and now < token.renew_at):
                entry.renewal = renewal.outcome
            return token, pending

    def _add(self, name: str) -> Entry:
        with self._lock:
            if len(self._entries) >= MAX_ENTRIES:  # of hosts that callers choose
                idle = (name for name, entry in self._entries.items() if not entry.renewal)
                self._entries.pop(next(idle, ""), None)
            return self._entries.setdefault(name, Entry())

    def discard(self, name: str, value: Secret) -> None:
        """Drop a token that the vendor refused.

        It is not used again, here or from the store, unless a newer one has come.
        """
        with self._lock:
            entry = self._entries.get(name)
            if entry and entry.token and entry.token.value == value:
                entry.refused = entry.token
                entry.token = None

    def retain(self, names: Collection[str]) -> None:
        """Forget the tokens of all other names: those services are gone, or changed credentials."""
        with self._lock:
            current = set(names)
            for name in list(self._entries):
                if name.partition(EPOCH_MARK)[0] not in current:
                    del self._entries[name]

    def _await(self, outcome: Future[Token | GatewayError], deadline: float) -> Token | None:
        """Return the token of another call's renewal; None where this call has to ask anew."""
        try:
            result = outcome.result(max(0.0, deadline - self._clock.now()))
        except FutureTimeout as error:
            raise DeadlineExceeded from error
        if isinstance(result, DeadlineExceeded):
            return None  # the other call's time ran out, not this one's
        if isinstance(result, GatewayError):
            raise result.copy()
        return result if self._clock.now() < result.expires_at else None

    def _start(self, renewal: Renewal) -> None:
        """Renew in a thread; whoever waits gets the outcome.

        :raises OutOfResources: no thread can be begun.
        """

        def run() -> None:
            with suppress(Exception):  # the outcome tells it
                self._renew(renewal)

        thread = threading.Thread(target=run, name="postern-token")
        try:
            thread.start()
        except RuntimeError as error:
            with self._lock:
                renewal.entry.renewal = None
            renewal.outcome.set_result(OutOfResources())
            raise OutOfResources from error

    def _renew(self, renewal: Renewal) -> Token:
        """Get a new token, and tell it, or the failure, to those who wait."""
        entry = renewal.entry
        try:
            token = self._obtain(renewal)
        except BaseException as error:
            with self._lock:
                entry.renewal = None
            renewal.outcome.set_result(_failure(error))
            raise
        self._masker.register(token.value, temporary=True)
        with self._lock:
            entry.renewal = None
            # Meanwhile the vendor may have refused it, or a newer one.
            if not entry.has_refused(token):
                entry.token = token
        renewal.outcome.set_result(token)
        return token

    def _obtain(self, renewal: Renewal) -> Token:
        """Return another worker's token from the store; or fetch one; or, for now, the old one."""
        entry = renewal.entry
        usable = entry.usable(self._clock.now())
        while True:
            try:
                stored = entry.accept(self._shared.read(renewal.name), self._clock.now())
                if stored and self._clock.now() < stored.renew_at:
                    renewal.note("shared")
                    return stored
                usable = usable or stored
                with self._shared.lock(renewal.name) as lock:
                    if lock.fence is not None:
                        return self._renew_locked(renewal, lock, lock.fence, usable)
            except StoreUnavailable:
                if usable is None:
                    with suppress(RefreshUnderWay):
                        return self._fetch(renewal)
            except RefreshUnderWay:
                pass  # its lock here has ended before it has
            # Another worker holds the lock: with the old token there is no need to wait for it.
            if usable:
                return self._postpone(usable, renewal)
            time_left = renewal.deadline - self._clock.now()
            if time_left <= 0:
                raise DeadlineExceeded
            self._clock.sleep(min(POLL_SECONDS, time_left))

    def _renew_locked(
        self, renewal: Renewal, lock: Lock, fence: int, usable: Token | None
    ) -> Token:
        """Fetch a token under the lock, unless another worker did just before."""
        token = self._read_newer(renewal)
        if token:
            renewal.note("shared")
            return token
        try:
            token = self._fetch(renewal)
        except GatewayError:
            if usable is None:
                raise
            lock.keep()  # no worker tries again before it ends
            return self._postpone(usable, renewal)
        return self._publish(renewal.name, token, fence)

    def _read_newer(self, renewal: Renewal) -> Token | None:
        with suppress(StoreUnavailable):
            now = self._clock.now()
            stored = self._shared.read(renewal.name)
            token = renewal.entry.accept(stored, now)
            if token and now < token.renew_at:
                return token
            if stored and not token:
                # Refused: should the fetch fail, no other worker takes it from the store.
                self._shared.delete(renewal.name)
        return None

    def _publish(self, name: str, token: Token, fence: int) -> Token:
        """Store the token and return it; or return that of the worker that took over meanwhile."""
        with suppress(StoreUnavailable):
            if not self._shared.write(name, token, fence):
                return self._shared.read(name) or token
        return token

    def _fetch(self, renewal: Renewal) -> Token:
        began = self._clock.now()
        value, life = renewal.fetch()
        renewal.entry.refused = None
        # A token that lives hardly longer than the margin is still used for half its life.
        usable_seconds = max(life - EXPIRY_MARGIN_SECONDS, life / 2)
        renewal_seconds = min(life * (1 - RENEWAL_SHARE), usable_seconds)
        return Token(value, began + renewal_seconds, began + usable_seconds)

    def _postpone(self, token: Token, renewal: Renewal) -> Token:
        """Return the old token, to be renewed a little later."""
        renewal.note("the old one, while it lasts")
        return replace(token, renew_at=min(self._clock.now() + RETRY_SECONDS, token.expires_at))


def _failure(error: BaseException) -> GatewayError:
    """Return what those who wait get: the error, or where the renewal was stopped, a timeout."""
    if isinstance(error, GatewayError):
        return error.copy()
    if isinstance(error, Exception):
        return GatewayError()
    return DeadlineExceeded()
