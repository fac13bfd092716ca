"""What every store does: keys to bytes, each for a time, with locks, limits and lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, Self

from gateway.rates import Bucket, Permit


class Lock:
    """A lock held during a ``with`` block, whatever ends that.

        with store.lock("pay:7", ttl=30) as lock:
            if lock.fence is None:
                raise Conflict("Another worker pays.")

    Should the store be away at the end, the lock ends once it is back, or after its ``ttl``.

    :ivar fence: the fencing number, for ``Store.set_fenced``; None while another holds the lock.
    :raises StoreUnavailable: at the head, when the store does not answer.
    """

    def __init__(self, store: Store, key: str, ttl: float) -> None:
        self.fence: int | None = None
        self._store = store
        self._key = key
        self._ttl = ttl
        self._release_at_end = True

    def __enter__(self) -> Self:
        self.fence = self._store.acquire(self._key, self._ttl)
        return self

    def __exit__(self, *_: object) -> None:
        if self.fence is not None and self._release_at_end:
            self._store.release(self._key, self.fence)

    def keep(self) -> None:
        """Leave the lock held after the block: nobody tries again before its ``ttl`` ends."""
        self._release_at_end = False


class Store(Protocol):
    """Keys to bytes, each for ``ttl`` seconds. Every operation is atomic, whoever shares the store.

    :raises StoreUnavailable: any operation, when a store on another machine does not answer.
    """

    shared: bool  # whether other processes may write to it

    @property
    def up(self) -> bool:
        """Whether the store answered the last operation."""

    def get(self, key: str) -> bytes | None:
        """Return the value, unless it is absent or expired."""

    def get_many(self, *keys: str) -> list[bytes | None]:
        """Return the values of all these keys, in the time of one."""

    def set(self, key: str, value: bytes, ttl: float) -> None:
        """Store the value, whatever was there."""

    def set_many(self, values: Mapping[str, bytes], ttl: float) -> None:
        """Store all these values, in the time of one."""

    def add(self, key: str, value: bytes, ttl: float) -> bool:
        """Store the value only if none is there; return whether it was stored."""

    def delete(self, key: str) -> None:
        """Delete the key; one that is absent is no error."""

    def forget(self, key: str) -> None:
        """Delete the key, never raising: a store that is away deletes it once it is back."""

    def increment(self, key: str, ttl: float, by: int = 1) -> int:
        """Add ``by`` and return the count; its ``ttl`` starts at the first increment."""

    def ttl(self, key: str) -> float:
        """Return the seconds that the key has left; 0 when it is absent."""

    def acquire(self, key: str, ttl: float) -> int | None:
        """Hold the lock ``key`` until ``release``, for ``ttl`` seconds at most.

        :returns: a fencing number, higher than any before; None while another holds the lock.
        """

    def release(self, key: str, fence: int) -> None:
        """Release the lock, if it is still held under this number; never raising, as ``forget``."""

    def lock(self, key: str, ttl: float) -> Lock:
        """Return the lock ``key`` for a ``with`` block."""
        return Lock(self, key, ttl)

    def set_fenced(self, key: str, value: bytes, ttl: float, fence: int) -> bool:
        """Store the value unless a holder with a higher fence did; return whether it was stored."""

    def remember(self, key: str, value: bytes, ttl: float, fence: int) -> None:
        """Do the same, never raising: a store that is away stores it once it is back."""

    def acquire_rate(self, buckets: Sequence[Bucket], max_wait: float = 0.0) -> Permit:
        """Use all buckets once: now, or reserve the first instant at which all have room; or none.

        :param max_wait: seconds; an instant that is further away is not reserved.
        """

    def acquire_slot(self, key: str, slots: int, ttl: float) -> str | None:
        """Hold one of so many slots until ``release_slot``, for ``ttl`` seconds at most.

        :returns: the lease to release it with; None while all slots are held.
        """

    def renew_slot(self, key: str, lease: str, ttl: float) -> None:
        """Hold the slot, if it is still held, for ``ttl`` seconds from now."""

    def release_slot(self, key: str, lease: str) -> None:
        """Release the slot, if it is still held; never raising, as ``forget``."""

    def push(self, lists: Mapping[str, Sequence[bytes]], max_length: int, ttl: float) -> None:
        """Add values to each list, which keeps its last ones, for ``ttl`` seconds from now."""

    def latest(self, key: str, count: int) -> list[bytes]:
        """Return the last ``count`` values of a list, the newest first."""

    def close(self) -> None:
        """Close connections and end threads."""


class CounterStore(Protocol):
    """The part of a store that stops guesses and replays."""

    def add(self, key: str, value: bytes, ttl: float) -> bool: ...
    def increment(self, key: str, ttl: float, by: int = 1) -> int: ...
    def ttl(self, key: str) -> float: ...
    def delete(self, key: str) -> None: ...
