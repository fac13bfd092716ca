"""A fetched credential as all workers see it: one record in the store, renewed under its lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.bodies import dump_json, load_json
from gateway.clock import Clock
from gateway.masking import Secret
from gateway.stores import Lock, Store

LOCK_SECONDS = 5.0  # after which another worker takes over a renewal that has not ended
# Before its expiry, from which a token is not sent: it has to arrive, and clocks differ.
EXPIRY_MARGIN_SECONDS = 10.0
# Of the time for early renewal, over which workers begin it, so that one of them is first.
SPREAD_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Token:
    """``renew_at`` and ``expires_at`` are instants of this process (``Clock.now``)."""

    value: Secret
    renew_at: float
    expires_at: float


class SharedTokens:
    """Tokens in the store, by name, each renewed by whoever holds its lock.

    The record's times are Unix seconds: every machine has its own ``now``. Every operation may
    raise ``StoreUnavailable``.
    """

    def __init__(self, store: Store, clock: Clock, jitter: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._jitter = jitter

    def read(self, name: str) -> Token | None:
        record = self._store.get(name)
        if record is None:
            return None
        try:
            data = load_json(record)
            value = Secret(data["value"])
            renew_at = float(data["renew_at"])
            expires_at = float(data["expires_at"])
        except (ValueError, TypeError, KeyError):
            return None  # written by another version
        renew_at += self._jitter() * SPREAD_SHARE * (expires_at - renew_at)
        offset = self._clock_offset()
        # The store's own count of the time left holds, however wrong the clock of the writer was.
        latest = self._clock.now() + self._store.ttl(name) + EXPIRY_MARGIN_SECONDS
        return Token(value, min(renew_at + offset, latest), min(expires_at + offset, latest))

    def write(self, name: str, token: Token, fence: int) -> bool:
        """Return whether it was written: not if the worker that took over has written one."""
        offset = self._clock_offset()
        record = {
            "value": token.value.reveal(),
            "renew_at": token.renew_at - offset,
            "expires_at": token.expires_at - offset,
        }
        ttl = token.expires_at - self._clock.now()
        return self._store.set_fenced(name, dump_json(record), ttl, fence)

    def delete(self, name: str) -> None:
        self._store.delete(name)

    def lock(self, name: str) -> Lock:
        return self._store.lock(name, LOCK_SECONDS)

    def _clock_offset(self) -> float:
        return self._clock.now() - self._clock.wall()
