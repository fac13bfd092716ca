"""A fetched credential as all workers see it: one record in the store, renewed by whoever holds its lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.bodies import dump_json, load_json
from gateway.clock import Clock
from gateway.masking import Secret
from gateway.stores import Store

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
            value, renew_at, expires_at = Secret(told["value"]), float(told["renew_at"]), float(told["expires_at"])
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
